"""Creation of an app or a namespace: what can be typed, the forms, and the command for an app."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from domain.commands.command import Command, OptionArgument, WordArgument
from domain.message import Block
from messages import notices
from messages.kit.views import (
    FormValues,
    ViewMetadata,
    field,
    is_pickable,
    matching_names,
    option,
    search_select,
    text_element,
)
from providers.buildio import action_ids
from providers.buildio.api.models import Team
from providers.buildio.apps.actions import CreateAppAction
from providers.buildio.apps.commands import find_team
from providers.buildio.shared.lookup import form_metadata
from services.actions import run
from services.actions.action import ExecutableAction
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext
from services.request.forms import CheckedInput, Form, open_or_offer


class CreateResource(Command):
    """Create something that belongs to a team and runs in a region."""

    name: WordArgument = None
    team: OptionArgument = None
    region: OptionArgument = None


class CreateApp(CreateResource):
    """Create an app; without a name, the form is opened."""


class CreateNamespace(CreateResource):
    """Create a namespace; without a name, the form is opened."""

    description: OptionArgument = None


NAME, TEAM, REGION, DESCRIPTION = "name", "team", "region", "description"
LONGEST_NAME = 100


class CreateInput(CreateResource, CheckedInput):
    """The input for something new; `team_title` is the text of the picked team."""

    team_title: str | None = None

    @property
    def problems(self) -> Mapping[str, str]:
        """Return errors by field."""
        if not self.name:
            return {NAME: "Enter a name."}
        if any(letter.isspace() or letter == "/" for letter in self.name):
            return {NAME: "A name can't contain spaces or slashes."}
        return {}


class CreateForm(CreateApp, CreateInput):
    """The input for a new app."""


class NamespaceForm(CreateNamespace, CreateInput):
    """The input for a new namespace."""


CreateInputT = TypeVar("CreateInputT", bound=CreateInput)


def read_create(values: FormValues) -> CreateForm:
    """Read the input from `values`, the view's state as Slack sends it."""
    return CreateForm(**_read_fields(values))


def read_namespace(values: FormValues) -> NamespaceForm:
    """Read the input from `values`, the view's state as Slack sends it."""
    return NamespaceForm(**_read_fields(values), description=values.text(DESCRIPTION).strip() or None)


@dataclass
class CreateResourceForm(Form[ViewMetadata, CreateInputT, Reply | None]):
    """Base of the forms that create something; `button_id` is the button that opens it, with the words in `prompt`."""

    error_field = NAME
    read_origin = ViewMetadata.read
    button_id: ClassVar[str]
    prompt: ClassVar[str]
    example: ClassVar[str]

    @property
    def progress(self) -> str:
        """The sentence that says what is created."""
        return f"Creating {self.filled.name}…"

    def more_fields(self) -> list[Block]:
        """Return the fields after those that all have."""
        return []

    @abstractmethod
    def action(self, form: CreateInputT) -> ExecutableAction:
        """Return the action that creates it; `form` has the team's ID."""

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with its input."""
        form = self.filled
        team = (
            option(form.team_title or form.team, form.team) if form.team and is_pickable(form.team) else None
        )
        return self.draw(
            field(
                NAME,
                "Name",
                text_element(form.name, most=LONGEST_NAME, placeholder=self.example),
                optional=False,
            ),
            field(TEAM, "Team", search_select(action_ids.PICK_TEAM, "None (your own)", team)),
            field(
                REGION,
                "Region",
                text_element(form.region, most=100, placeholder="Default (chosen by Build.io)"),
            ),
            *self.more_fields(),
            submit="Create",
            problem=problem,
        )

    async def submit(self) -> Reply | None:
        """Create it. Raises PermissionDenied, UserError, ProviderError."""
        form = await resolve_team(self.filled, self.context)
        return (await run.run_action(self.action(form), self.context)).answer

    @classmethod
    async def create(cls, form: CreateInputT, context: RequestContext) -> Reply | None:
        """Create what was typed; without a name, open the form, or reply with a button if none can be opened.

        Raises PermissionDenied, UserError, ProviderError, SlackCallFailed.
        """
        new = cls(context, form_metadata(context), form)
        if form.name is not None:
            form.check()
            return await new.submit()

        async def load() -> CreateResourceForm[CreateInputT]:
            return cls(context, new.origin, await resolve_team(form, context))

        button = notices.open_form_prompt(cls.prompt, f"{new.title}…", cls.button_id, "create")
        return await open_or_offer(load, context, new.title, Reply(button))


@dataclass
class CreateAppForm(CreateResourceForm[CreateForm]):
    """Creates an app."""

    callback_id = action_ids.CREATE_MODAL
    button_id = action_ids.CREATE
    title = "Create an app"
    prompt = "Fill in a form to create an app."
    example = "shop-staging"
    read_input = staticmethod(read_create)

    def action(self, form: CreateForm) -> CreateAppAction:
        """Return the action that creates the app."""
        return CreateAppAction(**form.model_dump())


async def resolve_team(form: CreateInputT, context: RequestContext) -> CreateInputT:
    """Return the form with the team's ID and name if a team was named. Raises UserError, ProviderError."""
    if form.team is None:
        return form
    team = await find_team(form.team, context)
    return form.model_copy(update={"team": team.id, "team_title": team.name})


def team_options(typed: str, teams: Sequence[Team]) -> list[Block]:
    """Return the teams that match the typed text, as options."""
    by_name = {team.name: team for team in teams}
    offered = [by_name[name] for name in matching_names(typed, sorted(by_name, key=str.casefold))]
    return [option(team.name, team.id) for team in offered if is_pickable(team.id)]


def _read_fields(filled: FormValues) -> dict[str, str | None]:
    return {
        "name": filled.text(NAME).strip() or None,
        "team": filled.picked(TEAM),
        "team_title": filled.picked_words(TEAM),
        "region": filled.text(REGION).strip() or None,
    }


async def create(command: CreateApp, context: RequestContext) -> Reply | None:
    """Create the app of a command; without a name, open the form.

    Raises PermissionDenied, UserError, ProviderError.
    """
    return await CreateAppForm.create(CreateForm(**command.model_dump()), context)


COMMANDS = (
    CommandSpec(
        CreateApp,
        "create",
        "Create an app. Without a name, a form opens.",
        ("create shop-demo region:us-east-1", "create"),
        handler=create,
        aliases=("new",),
    ),
)
