"""The modal in which a build is started: its rows of variables, its app, and its submission."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from domain.build import App
from domain.commands.arguments import variable_in
from domain.commands.shared_commands import TriggerBuild
from domain.errors import RequestRejected
from handlers.middleware import RequestTracker, wait_for_place
from messages.kit import action_ids
from messages.kit.button_values import InvalidButtonValue
from messages.kit.views import FilledIn
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
from services.container import Services
from services.request.context import Reply, RequestContext
from services.request.error_messages import say_or_explain
from services.request.finder import UserError, app_by_slug
from services.request.forms import FieldError, SubmissionFlow, see_through
from services.request.responder import ChannelResponder
from services.slack.errors import SlackCallFailed


def register(app: AsyncApp, services: Services, listening: RequestTracker) -> None:
    """Listen to the modal's buttons and its submission."""

    @app.action(action_ids.START_ADD_VARIABLE)
    async def add(ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        async with listening.answering(action_ids.START_ADD_VARIABLE):
            await wait_for_place()
            await _draw_anew(body, services, StartOrigin.with_row)

    @app.action(action_ids.START_REMOVE_VARIABLE)
    async def remove(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        await ack()
        async with listening.answering(action_ids.START_REMOVE_VARIABLE):
            await wait_for_place()
            value = str(action.get("value"))
            if value.isdecimal() and len(value) < 5:
                await _draw_anew(body, services, lambda origin: origin.without_row(int(value)))

    @app.view(action_ids.START_MODAL)
    async def submitted(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        async with listening.answering(action_ids.START_MODAL):
            context, origin = (
                RequestContext.in_body(body, services),
                StartOrigin.read(view.get("private_metadata")),
            )
            form = trigger_form.read_start(view["state"]["values"], origin)
            picked = App(slug=form.app or "", title=_title(view["state"]["values"]))
            said = await see_through(
                _start(form, picked, context),
                _course(form, picked, origin),
                ack=ack,
                context=context,
                view_id=view["id"],
            )
            if said is not None:
                await say_or_explain(_given(said), ChannelResponder(context))


async def app_picked(body: dict[str, Any], services: Services) -> None:
    """Let the lists be those of the app that was picked, and show what was started last of it, if nothing is typed."""
    view = body["view"]
    context, origin = RequestContext.in_body(body, services), StartOrigin.read(view.get("private_metadata"))
    form = trigger_form.read_start(view["state"]["values"], origin)
    picked = App(slug=form.app or "", title=_title(view["state"]["values"]))
    origin = origin.model_copy(update={"app": picked.slug})
    remembered = None
    if picked.slug and not form.names_something and not any(form.variables.values()):
        remembered = await context.storage.starts.last(context.person, picked.slug)
        if remembered is None:
            form = form.model_copy(update={"branch": await main_branch(picked, context)})
    if remembered is not None:
        form = StartForm.of(remembered)
        origin = origin.model_copy(update={"rows": tuple(form.variables)})
    shown = trigger_form.start_modal(form, picked, origin=origin, remembered=remembered is not None)
    # Without its hash: whatever else has changed meanwhile, the lists must be those of this app.
    await context.redraw(view["id"], shown)


async def _draw_anew(
    body: dict[str, Any], services: Services, change: Callable[[StartOrigin], StartOrigin]
) -> None:
    view = body.get("view")
    if view is None:
        raise InvalidButtonValue  # it stands in the modal alone
    origin = StartOrigin.read(view.get("private_metadata"))
    form = trigger_form.read_start(view["state"]["values"], origin)
    picked = App(slug=form.app, title=_title(view["state"]["values"])) if form.app else None
    shown = trigger_form.start_modal(form, picked, origin=change(origin))
    try:
        # With its hash, so that two quick presses don't overwrite each other ("views.update").
        await RequestContext.in_body(body, services).redraw(
            view["id"], shown, version=view.get("hash") or None
        )
    except SlackCallFailed as error:
        if error.reason not in ("hash_conflict", "not_found"):
            raise


async def _start(form: StartForm, picked: App, context: RequestContext) -> Reply | None:
    order = order_of(form)
    app = await app_by_slug(context, picked.slug)
    return await commands.start(app, order, context)


def order_of(form: StartForm) -> TriggerBuild:
    """What is to be started. Raises FieldError."""
    variables = []
    for number, typed in form.variables.items():
        if not typed.strip():
            continue
        if (variable := variable_in(typed)) is None:
            raise FieldError(f"{VARIABLE}{number}", "Write a variable as NAME=value; names have no spaces.")
        variables.append(variable)
    if not form.names_something:
        raise FieldError(BRANCH, "Say what to build: a branch, a tag, a commit, a workflow or a pipeline.")
    return TriggerBuild(
        **form.model_dump(exclude={"variables", "environments"}), environments=tuple(variables)
    )


def _course(form: StartForm, picked: App, origin: StartOrigin) -> SubmissionFlow[Reply | None]:
    return SubmissionFlow(
        waiting=trigger_form.starting(picked),
        done=lambda _: trigger_form.start_done(picked),
        again=lambda problem: trigger_form.start_modal(form, picked, origin=origin, problem=problem),
        refused=trigger_form.not_started,
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
    return FilledIn(values).picked_words(APP) or "?"


async def _given(said: Reply) -> Reply:
    return said
