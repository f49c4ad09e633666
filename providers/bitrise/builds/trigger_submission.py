"""The modal in which a build is started: its rows of variables, its app, and its submission."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from domain.build import App
from domain.commands.arguments import parse_variable
from domain.commands.trigger_build import TriggerBuild
from domain.errors import RequestRejected
from domain.provider import Provider
from messages.kit import action_ids
from messages.kit.views import FormValues
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
from services.request.context import Reply, RequestContext
from services.request.error_messages import reply_or_explain
from services.request.finder import UserError, app_by_slug
from services.request.form_submission import FormHandler, FormSubmission
from services.request.forms import FieldError, SubmissionFlow
from services.request.interactions import ViewAction, ViewActionHandler
from services.request.responder import ChannelResponder
from services.slack.errors import SlackCallFailed


async def add_variable(action: ViewAction) -> None:
    """Draw the form with one more row for a variable."""
    await _draw_anew(action, StartOrigin.with_row)


async def remove_variable(action: ViewAction) -> None:
    """Draw the form without the row that the button names."""
    if action.value.isdecimal() and len(action.value) < 5:
        await _draw_anew(action, lambda origin: origin.without_row(int(action.value)))


async def submit_trigger(form: FormSubmission) -> None:
    """Start what is filled in."""
    origin = StartOrigin.read(form.metadata)
    filled = trigger_form.read_start(form.values, origin)
    picked = App(slug=filled.app or "", title=_title(form.values))
    said = await form.run(_start(filled, picked, form.context), _course(filled, picked, origin))
    if said is not None:
        await reply_or_explain(_given(said), ChannelResponder(form.context))


async def select_app(action: ViewAction) -> None:
    """Let the lists be those of the app that was picked, and show what was started last of it, if nothing is typed."""
    context, origin = action.context, StartOrigin.read(action.metadata).with_rows_in(action.state)
    form = trigger_form.read_start(action.state, origin)
    picked = App(slug=form.app or "", title=_title(action.state))
    origin = origin.model_copy(update={"app": picked.slug})
    remembered = None
    if picked.slug and not form.names_something and not any(form.variables.values()):
        remembered = await context.storage.last_triggers.last(context.person, picked.slug)
        if remembered is None:
            form = form.model_copy(update={"branch": await main_branch(picked, context)})
    if remembered is not None:
        form = StartForm.of(remembered)
        origin = origin.model_copy(update={"rows": tuple(form.variables)})
    shown = trigger_form.start_modal(form, picked, origin=origin, remembered=remembered is not None)
    # Without its hash: whatever else has changed meanwhile, the lists must be those of this app.
    await context.update_view(action.view_id, shown)


async def _draw_anew(action: ViewAction, change: Callable[[StartOrigin], StartOrigin]) -> None:
    origin = StartOrigin.read(action.metadata).with_rows_in(action.state)
    form = trigger_form.read_start(action.state, origin)
    picked = App(slug=form.app, title=_title(action.state)) if form.app else None
    shown = trigger_form.start_modal(form, picked, origin=change(origin))
    try:
        # With its hash, so that two quick presses don't overwrite each other ("views.update").
        await action.context.update_view(action.view_id, shown, version=action.view.get("hash") or None)
    except SlackCallFailed as error:
        if error.reason not in ("hash_conflict", "not_found"):
            raise


async def _start(form: StartForm, picked: App, context: RequestContext) -> Reply | None:
    order = trigger_command(form)
    app = await app_by_slug(context, picked.slug, Provider.BITRISE)
    return await commands.start(app, order, context)


def trigger_command(form: StartForm) -> TriggerBuild:
    """What is to be started. Raises FieldError."""
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


def _course(form: StartForm, picked: App, origin: StartOrigin) -> SubmissionFlow[Reply | None]:
    return SubmissionFlow(
        waiting=trigger_form.trigger_in_progress(picked),
        done=lambda _: trigger_form.start_done(picked),
        again=lambda problem: trigger_form.start_modal(form, picked, origin=origin, problem=problem),
        refused=trigger_form.trigger_failed,
        field_of=_field_of,
    )


def _field_of(problem: BaseException) -> str:
    if isinstance(problem, FieldError):
        return problem.field
    if isinstance(problem, RequestRejected | UserError):
        # What Bitrise does not like it names in its own words, and we name ours.
        words = ((problem.words or "") if isinstance(problem, RequestRejected) else str(problem)).casefold()
        about = {"workflow": BUILDABLE, "pipeline": BUILDABLE, "branch": BRANCH, "tag": TAG, "commit": COMMIT}
        return next((field for word, field in about.items() if word in words), APP)
    return APP


def _title(values: dict[str, Any]) -> str:
    return FormValues(values).picked_words(APP) or "?"


async def _given(said: Reply) -> Reply:
    return said


FORMS: Mapping[str, FormHandler] = {action_ids.START_MODAL: submit_trigger}
VIEW_ACTIONS: Mapping[str, ViewActionHandler] = {
    action_ids.START_ADD_VARIABLE: add_variable,
    action_ids.START_REMOVE_VARIABLE: remove_variable,
}
