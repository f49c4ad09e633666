"""The forms for a new app and a new namespace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from domain.message import Block
from messages import notices
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import (
    FormValues,
    field,
    is_pickable,
    matching_names,
    modal,
    option,
    search_select,
    text_element,
    warning,
)
from providers.buildio import action_ids
from providers.buildio.api.models import Team
from providers.buildio.apps.actions import CreateAppAction
from providers.buildio.apps.commands import find_team
from providers.buildio.apps.create_syntax import CreateApp, CreateNamespace
from providers.buildio.shared.form_defaults import form_metadata
from services.actions import run
from services.request.context import Reply, RequestContext
from services.request.forms import CheckedInput, Form, open_in_time

NAME, TEAM, REGION, DESCRIPTION = "name", "team", "region", "description"
LONGEST_NAME = 100


class CreateForm(CreateApp, CheckedInput):
    """The input for a new app; `team_title` is the text of the picked team."""

    team_title: str | None = None

    @property
    def problems(self) -> Mapping[str, str]:
        """Return errors by field."""
        return _check_name(self.name)


class NamespaceForm(CreateNamespace, CheckedInput):
    """The input for a new namespace; `team_title` is the text of the picked team."""

    team_title: str | None = None

    @property
    def problems(self) -> Mapping[str, str]:
        """Return errors by field."""
        return _check_name(self.name)


CreateOrNamespaceForm = TypeVar("CreateOrNamespaceForm", CreateForm, NamespaceForm)


def create_modal(form: CreateForm, *, origin: ViewMetadata, problem: str | None = None) -> Block:
    """Build the form for a new app, with the input so far."""
    return modal(
        "Create an app",
        [
            *warning(problem),
            _name_field(form.name, "shop-staging"),
            *_location_fields(form.team, form.team_title, form.region),
        ],
        callback_id=action_ids.CREATE_MODAL,
        private_metadata=origin.encode(),
        submit="Create",
        close="Cancel",
    )


def read_create(values: FormValues) -> CreateForm:
    """Read the input from `values`, the view's state as Slack sends it."""
    return CreateForm(**_read_fields(values))


def namespace_modal(form: NamespaceForm, *, origin: ViewMetadata, problem: str | None = None) -> Block:
    """Build the form for a new namespace, with the input so far."""
    description = text_element(form.description, most=300, placeholder="What belongs into it")
    return modal(
        "Create a namespace",
        [
            *warning(problem),
            _name_field(form.name, "payments"),
            *_location_fields(form.team, form.team_title, form.region),
            field(DESCRIPTION, "Description", description),
        ],
        callback_id=action_ids.NAMESPACE_MODAL,
        private_metadata=origin.encode(),
        submit="Create",
        close="Cancel",
    )


def read_namespace(values: FormValues) -> NamespaceForm:
    """Read the input from `values`, the view's state as Slack sends it."""
    return NamespaceForm(**_read_fields(values), description=values.text(DESCRIPTION).strip() or None)


@dataclass
class CreateAppForm(Form[ViewMetadata, CreateForm, Reply | None]):
    """Creates an app."""

    callback_id = action_ids.CREATE_MODAL
    title = "Create an app"
    error_field = NAME
    read_origin = ViewMetadata.read
    read_input = staticmethod(read_create)

    @property
    def progress(self) -> str:
        """The sentence that names the app."""
        return f"Creating {self.filled.name}…"

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with its input."""
        return create_modal(self.filled, origin=self.origin, problem=problem)

    async def submit(self) -> Reply | None:
        """Create the app. Raises PermissionDenied, UserError, ProviderError."""
        form = await resolve_team(self.filled, self.context)
        action = CreateAppAction(
            name=form.name or "", team=form.team, team_title=form.team_title, region=form.region
        )
        return (await run.run_action(action, self.context)).answer


async def open_create(form: CreateForm, context: RequestContext) -> Reply | None:
    """Open the form, or reply with a button if none can be opened. Raises UserError, ProviderError, SlackCallFailed."""
    if not context.trigger_id:
        prompt = "What is the app called?"
        return Reply(notices.open_form_prompt(prompt, "Create an app…", action_ids.CREATE, "create"))

    async def load() -> CreateAppForm:
        return CreateAppForm(context, form_metadata(context), await resolve_team(form, context))

    await open_in_time(load(), context, CreateAppForm.title)
    return None


async def resolve_team(form: CreateOrNamespaceForm, context: RequestContext) -> CreateOrNamespaceForm:
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


def _name_field(name: str | None, placeholder: str) -> Block:
    return field(NAME, "Name", text_element(name, most=LONGEST_NAME, placeholder=placeholder), optional=False)


def _location_fields(team: str | None, title: str | None, region: str | None) -> list[Block]:
    chosen = option(title or team, team) if team and is_pickable(team) else None
    return [
        field(TEAM, "Team", search_select(action_ids.PICK_TEAM, "None: your own", chosen)),
        field(
            REGION, "Region", text_element(region, most=100, placeholder="None given: Build.io's own choice")
        ),
    ]


def _read_fields(filled: FormValues) -> dict[str, str | None]:
    return {
        "name": filled.text(NAME).strip() or None,
        "team": filled.picked(TEAM),
        "team_title": filled.picked_words(TEAM),
        "region": filled.text(REGION).strip() or None,
    }


def _check_name(name: str | None) -> Mapping[str, str]:
    if not name:
        return {NAME: "It needs a name."}
    if any(letter.isspace() or letter == "/" for letter in name):
        return {NAME: "A name has no spaces and no slashes."}
    return {}
