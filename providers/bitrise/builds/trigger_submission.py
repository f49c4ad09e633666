"""Handlers of the modal that starts a build: its rows for variables, its app, and its submission."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain.build import App
from domain.commands.arguments import parse_variable
from domain.commands.trigger_build import TriggerBuild
from domain.provider_errors import RequestRejected
from messages.kit.views import FormValues
from providers.bitrise import action_ids
from providers.bitrise.builds import commands, trigger_form
from providers.bitrise.builds.open_forms import main_branch
from providers.bitrise.builds.trigger_form import (
    APP,
    BRANCH,
    BUILDABLE,
    COMMIT,
    TAG,
    VARIABLE,
    StartForm,
    StartOrigin,
)
from providers.bitrise.provider import BITRISE
from services.request.context import Reply, RequestContext
from services.request.error_messages import reply_or_explain
from services.request.errors import UserError
from services.request.finder import app_by_slug
from services.request.form_submission import FormHandler, FormSubmission
from services.request.forms import FieldError, SubmissionFlow
from services.request.interactions import ViewAction, ViewActionHandler
from services.request.responder import ChannelResponder
from services.slack.errors import SlackCallFailed


async def add_variable(action: ViewAction) -> None:
    """Update the form with one more row for a variable."""
    await _update_rows(action, StartOrigin.with_row)


async def remove_variable(action: ViewAction) -> None:
    """Update the form without the row that the button names."""
    if action.value.isdecimal() and len(action.value) < 5:
        await _update_rows(action, lambda origin: origin.without_row(int(action.value)))


async def submit_trigger(form: FormSubmission) -> None:
    """Start the build that the form describes."""
    origin = StartOrigin.read(form.metadata)
    start_form = trigger_form.read_start(form.values, origin)
    app = App(provider=BITRISE, slug=start_form.app or "", title=_app_title(form.values))
    reply = await form.run(_start(start_form, app, form.context), _submission_flow(start_form, app, origin))
    if reply is not None:
        await reply_or_explain(_return_reply(reply), ChannelResponder(form.context))


async def select_app(action: ViewAction) -> None:
    """Switch the form's lists to the picked app; if nothing is typed, fill in what the user last started of it."""
    context, origin = action.context, StartOrigin.read(action.metadata).with_rows_in(action.state)
    form = trigger_form.read_start(action.state, origin)
    app = App(provider=BITRISE, slug=form.app or "", title=_app_title(action.state))
    origin = origin.model_copy(update={"app": app.slug})
    last_command = None
    if app.slug and not form.names_something and not any(form.variables.values()):
        last_command = await context.storage.last_triggers.last(context.person, app.slug)
        if last_command is None:
            form = form.model_copy(update={"branch": await main_branch(app, context)})
    if last_command is not None:
        form = StartForm.of(last_command)
        origin = origin.model_copy(update={"rows": tuple(form.variables)})
    view = trigger_form.start_modal(form, app, origin=origin, remembered=last_command is not None)
    # Without the hash: even if the view changed in the meantime, the lists must be those of this app.
    await context.update_view(action.view_id, view)


async def _update_rows(action: ViewAction, change: Callable[[StartOrigin], StartOrigin]) -> None:
    origin = StartOrigin.read(action.metadata).with_rows_in(action.state)
    form = trigger_form.read_start(action.state, origin)
    app = App(provider=BITRISE, slug=form.app, title=_app_title(action.state)) if form.app else None
    view = trigger_form.start_modal(form, app, origin=change(origin))
    try:
        # With the hash, so that two quick presses don't overwrite each other ("views.update").
        await action.context.update_view(action.view_id, view, version=action.view.get("hash") or None)
    except SlackCallFailed as error:
        if error.reason not in ("hash_conflict", "not_found"):
            raise


async def _start(form: StartForm, picked_app: App, context: RequestContext) -> Reply | None:
    command = trigger_command(form)
    app = await app_by_slug(context, picked_app.slug, BITRISE)
    return await commands.start(app, command, context)


def trigger_command(form: StartForm) -> TriggerBuild:
    """Return the command that the form describes. Raises FieldError."""
    variables = []
    for number, typed in form.variables.items():
        if not typed.strip():
            continue
        if (variable := parse_variable(typed)) is None:
            raise FieldError(f"{VARIABLE}{number}", "Write a variable as NAME=value; names have no spaces.")
        variables.append(variable)
    if not form.names_something:
        raise FieldError(BRANCH, "Say what to build: a branch, a tag, a commit, a workflow or a pipeline.")
    return TriggerBuild(
        **form.model_dump(exclude={"variables", "environments"}), environments=tuple(variables)
    )


def _submission_flow(form: StartForm, app: App, origin: StartOrigin) -> SubmissionFlow[Reply | None]:
    return SubmissionFlow(
        waiting=trigger_form.trigger_in_progress(app),
        done=lambda _: trigger_form.start_done(app),
        again=lambda problem: trigger_form.start_modal(form, app, origin=origin, problem=problem),
        refused=trigger_form.trigger_failed,
        field_of=_find_field,
    )


def _find_field(problem: BaseException) -> str:
    if isinstance(problem, FieldError):
        return problem.field
    if isinstance(problem, RequestRejected | UserError):
        # Bitrise's errors, and ours, name the field only in their text.
        text = ((problem.words or "") if isinstance(problem, RequestRejected) else str(problem)).casefold()
        fields = {
            "workflow": BUILDABLE,
            "pipeline": BUILDABLE,
            "branch": BRANCH,
            "tag": TAG,
            "commit": COMMIT,
        }
        return next((field for word, field in fields.items() if word in text), APP)
    return APP


def _app_title(values: dict[str, Any]) -> str:
    return FormValues(values).picked_words(APP) or "?"


async def _return_reply(reply: Reply) -> Reply:
    return reply


FORMS: Mapping[str, FormHandler] = {action_ids.START_MODAL: submit_trigger}
VIEW_ACTIONS: Mapping[str, ViewActionHandler] = {
    action_ids.START_ADD_VARIABLE: add_variable,
    action_ids.START_REMOVE_VARIABLE: remove_variable,
}
