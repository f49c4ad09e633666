"""The form that starts a build."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Self

import structlog

from domain.build import App
from domain.commands.arguments import parse_variable
from domain.commands.errors import UserError
from domain.commands.shared_commands import TriggerBuild
from domain.message import Block
from domain.provider_errors import RequestRejected
from messages.kit import action_ids as shared_action_ids
from messages.kit.blocks import button, row
from messages.kit.blocks import context as context_block
from messages.kit.views import (
    FormValues,
    ViewMetadata,
    app_option,
    field,
    is_pickable,
    matching_names,
    option,
    option_groups,
    search_select,
    text_element,
)
from providers.bitrise import action_ids
from providers.bitrise.builds.actions import TriggerBuildAction
from providers.bitrise.provider import BITRISE
from services.actions import run
from services.request.context import Reply, RequestContext
from services.request.finder import app_by_slug, find_channel_app
from services.request.forms import (
    FieldError,
    Form,
    FormSubmission,
    check_may_act,
    open_in_time,
    opening_deadline,
)
from services.request.interactions import ViewAction, ViewActionHandler
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()

APP = "app"
BRANCH = "branch"
BUILDABLE = "buildable"
TAG = "tag"
COMMIT = "commit"
MESSAGE = "message"
VARIABLE = "variable_"
_ROW = re.compile(VARIABLE + r"(\d{1,4})")
MAX_VARIABLES = 20
LONGEST_VARIABLE = 3000
_WORKFLOW, _PIPELINE = "w:", "p:"
MAX_NAMES_PER_KIND = 50
# Common names of main branches, the most common first.
MAIN_BRANCHES = ("main", "master", "trunk", "develop")
# The form opens without a branch if the list takes longer.
BRANCHES_SECONDS = 1.2
# The field that an error is about, by the word that its text has.
_FIELDS_BY_WORD = {
    "workflow": BUILDABLE,
    "pipeline": BUILDABLE,
    "branch": BRANCH,
    "tag": TAG,
    "commit": COMMIT,
}


class StartOrigin(ViewMetadata):
    """View metadata with the numbers of the rows for variables, in order."""

    rows: tuple[int, ...] = ()

    def with_rows_in(self, values: FormValues) -> StartOrigin:
        """Return the metadata with the rows found in the form's values if it has none.

        Forms opened before forms were signed have no rows in their metadata; what was typed there must not be lost.
        """
        if self.rows:
            return self
        numbers = sorted(int(match[1]) for name in values.names if (match := _ROW.fullmatch(name)))
        return self.model_copy(update={"rows": tuple(numbers[:MAX_VARIABLES])})

    def with_row(self) -> StartOrigin:
        """Return the metadata with one more row."""
        return self.model_copy(update={"rows": (*self.rows, max(self.rows, default=0) + 1)})

    def without_row(self, number: int) -> StartOrigin:
        """Return the metadata without this row."""
        return self.model_copy(update={"rows": tuple(row for row in self.rows if row != number)})


class StartForm(TriggerBuild):
    """The form's content: the fields of the command, and the variables as they were typed, by row."""

    variables: Mapping[int, str] = {}

    @classmethod
    def of(cls, command: TriggerBuild) -> StartForm:
        """Make the form's content from a command; each variable is a row."""
        variables = {row: f"{key}={value}" for row, (key, value) in enumerate(command.environments, 1)}
        return cls(**command.model_dump(exclude={"environments"}), variables=variables)


def read_start(values: FormValues, origin: StartOrigin) -> StartForm:
    """Read the form."""
    buildable = values.picked(BUILDABLE) or ""
    return StartForm(
        app=values.picked(APP),
        branch=values.picked(BRANCH),
        workflow=buildable.removeprefix(_WORKFLOW) if buildable.startswith(_WORKFLOW) else None,
        pipeline=buildable.removeprefix(_PIPELINE) if buildable.startswith(_PIPELINE) else None,
        tag=values.text(TAG).strip() or None,
        commit=values.text(COMMIT).strip() or None,
        message=values.text(MESSAGE).strip() or None,
        variables={number: values.text(f"{VARIABLE}{number}") for number in origin.rows},
    )


def buildable_options(typed: str, workflows: Sequence[str], pipelines: Sequence[str]) -> list[Block]:
    """Return option groups that match the typed text; the text itself is offered as a workflow too if it is unknown."""
    groups = {
        "Pipelines": [
            (_PIPELINE, name) for name in matching_names(typed, pipelines, most=MAX_NAMES_PER_KIND)
        ],
        "Workflows": [
            (_WORKFLOW, name) for name in matching_names(typed, workflows, most=MAX_NAMES_PER_KIND)
        ],
    }
    if (name_typed := typed.strip()) and name_typed not in (*workflows, *pipelines):
        groups["As typed"] = [(_WORKFLOW, name_typed)]
    return option_groups(
        {
            label: [item for kind, name in targets if (item := _target_option(kind, name)) is not None]
            for label, targets in groups.items()
        }
    )


@dataclass
class TriggerForm(Form[StartOrigin, StartForm, Reply | None]):
    """Starts the build that the form describes. `is_remembered`: the content is what the user started last time."""

    callback_id = action_ids.START_MODAL
    title = "Start a build"
    is_refusal_final = True

    app: App | None = None
    is_remembered: bool = False

    @property
    def progress(self) -> str:
        """The sentence that names the app."""
        return f"Starting a build of {self._app.title}…"

    @property
    def success(self) -> str:
        """The sentence that names the app."""
        return f"▶️ Started a build of {self._app.title}."

    @classmethod
    def read(cls, submission: FormSubmission) -> Self:
        """Read the form."""
        return cls._read(submission.context, StartOrigin.read(submission.metadata), submission.values)

    @classmethod
    def read_open(cls, action: ViewAction) -> Self:
        """Read the form while it is open."""
        origin = StartOrigin.read(action.view.private_metadata).with_rows_in(action.view.values)
        return cls._read(action.context, origin, action.view.values)

    @classmethod
    def _read(cls, context: RequestContext, origin: StartOrigin, values: FormValues) -> Self:
        content = read_start(values, origin)
        title = values.picked_words(APP) or "?"
        app = App(provider=BITRISE, slug=content.app, title=title) if content.app else None
        return cls(context, origin, content, app)

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with its content."""
        form, rows = self.filled, self.origin.rows
        note = "Filled in from the last build that you started."
        return self.draw(
            *([context_block(note)] if self.is_remembered else []),
            field(
                APP,
                "App",
                search_select(shared_action_ids.PICK_APP, "Type part of its name", app_option(self.app)),
                optional=False,
                dispatch=True,
            ),
            field(
                BRANCH,
                "Branch",
                search_select(
                    shared_action_ids.PICK_BRANCH, "Type part of its name", _branch_option(form.branch)
                ),
            ),
            field(
                BUILDABLE,
                "Workflow or pipeline",
                search_select(
                    action_ids.PICK_BUILDABLE,
                    "Default (from the app's triggers)",
                    _picked_target(form),
                ),
            ),
            field(TAG, "Tag", text_element(form.tag, most=200, placeholder="v2.1.0")),
            field(COMMIT, "Commit", text_element(form.commit, most=64, placeholder="Latest commit")),
            field(
                MESSAGE, "Message", text_element(form.message, most=300, placeholder="What this build is for")
            ),
            *(block for number in rows for block in _variable_row(number, form.variables.get(number))),
            row(button("Add a variable", action_ids.START_ADD_VARIABLE, "add"))
            if len(rows) < MAX_VARIABLES
            else context_block(f"A build can have at most {MAX_VARIABLES} variables here."),
            submit="Start",
            problem=problem,
        )

    async def submit(self) -> Reply | None:
        """Start the build. Raises FieldError, PermissionDenied, UserError, ProviderError."""
        command = trigger_command(self.filled)
        app = await app_by_slug(self.context, self._app.slug, BITRISE)
        return (await run.run_action(TriggerBuildAction(app=app, ask=command), self.context)).answer

    def find_field(self, problem: BaseException) -> str:
        """Return the field that the error names, in its text if it is Bitrise's."""
        if isinstance(problem, FieldError):
            return problem.field
        if isinstance(problem, RequestRejected | UserError):
            # Bitrise's errors, and ours, name the field only in their text.
            text = (
                (problem.words or "") if isinstance(problem, RequestRejected) else str(problem)
            ).casefold()
            return next((field for word, field in _FIELDS_BY_WORD.items() if word in text), APP)
        return APP

    @property
    def _app(self) -> App:
        return self.app or App(provider=BITRISE, slug="", title="?")


async def open_start(
    context: RequestContext, app: App | None = None, *, app_query: str | None = None
) -> None:
    """Open the start form for `app` or the app that `app_query` names; else the channel's, else the one last started.

    It is prefilled with what the user last started of the app, else with the app's main branch if it is known in time.
    Raises NotConnected, UserError, UnknownApp, AmbiguousApp, ProviderError, SlackCallFailed.
    """
    until = opening_deadline()
    await check_may_act(context, BITRISE, until)
    if app_query is None:
        await (await _prefill(context, app, until)).open()
        return

    async def prefill_named_app() -> TriggerForm:
        return await _prefill(context, await context.visible_apps(BITRISE).find(app_query), None)

    await open_in_time(prefill_named_app(), context, TriggerForm.title, until=until)


async def _prefill(context: RequestContext, app: App | None, until: float | None) -> TriggerForm:
    """Return the form with what is known; fields not known at `until`, a time of the event loop, are left empty."""
    last_triggers = context.storage.last_triggers
    slug = None
    try:
        async with asyncio.timeout_at(until):
            app, slug = await _choose_app(context, app)
    except TimeoutError:
        # The app last started is not filled in either: the channel may have another app.
        log.info("form.app_not_known")
    last_command = await last_triggers.last(context.person, slug) if slug else None
    if app is None and slug and last_command is not None:
        app = App(provider=BITRISE, slug=slug, title=last_command.app or slug)
    branch = None
    if app is not None and last_command is None:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                branch = await main_branch(app, context)
    content = StartForm.of(last_command or TriggerBuild(branch=branch))
    origin = StartOrigin(
        channel=context.channel, app=app.slug if app is not None else "", rows=tuple(content.variables)
    )
    return TriggerForm(context, origin, content, app, is_remembered=last_command is not None)


async def _choose_app(context: RequestContext, app: App | None) -> tuple[App | None, str | None]:
    """Return the app that the user most likely wants to build, and its slug; None if unknown."""
    if (app := app or await find_channel_app(context, BITRISE)) is not None:
        return app, app.slug
    slug = await context.storage.last_triggers.last_app(context.person)
    if slug is None and len(apps := await context.visible_apps(BITRISE).list_in_time()) == 1:
        return apps[0], apps[0].slug
    return None, slug


async def main_branch(app: App, context: RequestContext) -> str | None:
    """Return the app's likely main branch; None if no name stands out, or the branches are not known in time.

    Bitrise does not report the default branch (`default_branch` can be set but not read).
    """
    user = context.client_for(BITRISE)
    try:
        async with asyncio.timeout(BRANCHES_SECONDS):
            branches = await context.services.lookups.options.read("branches", user, app.slug)
    except TimeoutError:
        return None
    common_name = next((name for name in MAIN_BRANCHES if name in branches), None)
    return common_name or (branches[0] if len(branches) == 1 else None)


async def select_app(action: ViewAction) -> None:
    """Switch the form's lists to the picked app; if nothing is typed, fill in what the user last started of it."""
    form, context = TriggerForm.read_open(action), action.context
    slug = form.app.slug if form.app is not None else ""
    form = replace(form, origin=form.origin.model_copy(update={"app": slug}))
    content = form.filled
    if form.app is not None and not content.names_something and not any(content.variables.values()):
        last_command = await context.storage.last_triggers.last(context.person, slug)
        if last_command is None:
            branch = await main_branch(form.app, context)
            form = replace(form, filled=content.model_copy(update={"branch": branch}))
        else:
            content = StartForm.of(last_command)
            origin = form.origin.model_copy(update={"rows": tuple(content.variables)})
            form = replace(form, origin=origin, filled=content, is_remembered=True)
    # Without the hash: even if the view changed in the meantime, the lists must be those of this app.
    await context.update_view(action.view.id, form.render())


async def add_variable(action: ViewAction) -> None:
    """Update the form with one more row for a variable."""
    await _update_rows(action, StartOrigin.with_row)


async def remove_variable(action: ViewAction) -> None:
    """Update the form without the row that the button names."""
    if action.value.isdecimal() and len(action.value) < 5:
        await _update_rows(action, lambda origin: origin.without_row(int(action.value)))


async def _update_rows(action: ViewAction, change: Callable[[StartOrigin], StartOrigin]) -> None:
    form = TriggerForm.read_open(action)
    view = replace(form, origin=change(form.origin)).render()
    try:
        # With the hash, so that two quick presses don't overwrite each other ("views.update").
        await action.context.update_view(action.view.id, view, version=action.view.hash or None)
    except SlackCallFailed as error:
        if error.reason not in ("hash_conflict", "not_found"):
            raise


def trigger_command(form: StartForm) -> TriggerBuild:
    """Return the command that the form describes. Raises FieldError."""
    variables = []
    for number, typed in form.variables.items():
        if not typed.strip():
            continue
        if (variable := parse_variable(typed)) is None:
            raise FieldError(
                f"{VARIABLE}{number}", "Write the variable as NAME=value, without spaces in the name."
            )
        variables.append(variable)
    if not form.names_something:
        raise FieldError(BRANCH, "Choose what to build: a branch, tag, commit, workflow or pipeline.")
    return TriggerBuild(
        **form.model_dump(exclude={"variables", "environments"}), environments=tuple(variables)
    )


def _variable_row(number: int, typed: str | None) -> list[Block]:
    element = text_element(typed, most=LONGEST_VARIABLE, placeholder="NAME=value")
    remove = button(
        "Remove", action_ids.START_REMOVE_VARIABLE, str(number), label=f"Remove variable {number}"
    )
    return [field(f"{VARIABLE}{number}", f"Variable {number}", element), row(remove)]


def _branch_option(name: str | None) -> Block | None:
    return option(name, name) if name is not None and is_pickable(name) else None


def _picked_target(form: StartForm) -> Block | None:
    if form.pipeline:
        return _target_option(_PIPELINE, form.pipeline)
    return _target_option(_WORKFLOW, form.workflow) if form.workflow else None


def _target_option(kind: str, name: str) -> Block | None:
    return option(name, kind + name) if name.strip() and is_pickable(kind + name) else None


VIEW_ACTIONS: Mapping[str, ViewActionHandler] = {
    action_ids.START_ADD_VARIABLE: add_variable,
    action_ids.START_REMOVE_VARIABLE: remove_variable,
}
