"""Asking Bitrise for what was judged and agreed to: as the person, with their own token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from domain.build import App, Build, PipelineRef
from domain.build_author import slack_user
from domain.commands.shared_commands import TriggerBuild
from domain.errors import NotFound
from domain.message import Message
from domain.provider import Provider
from domain.redaction.redactor import redact
from messages import pipeline_card
from providers.bitrise.actions import (
    AbortBuildAction,
    AbortPipelineAction,
    DecideBuildRequestAction,
    RebuildBuildAction,
    RebuildPipelineAction,
    SetPublicInstallPageAction,
    TriggerBuildAction,
)
from providers.bitrise.api.requests import AbortRequest, TriggeredBuild
from providers.bitrise.artifacts import messages as artifact_messages
from providers.bitrise.build_requests import messages as build_request_messages
from providers.bitrise.builds import action_messages
from services.actions.result import ActionResult
from services.features.builds.started_runs import follow_build, follow_pipeline
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import UserError

log = structlog.get_logger()

APPROVALS = "Approvals"
PIPELINE = "Pipeline"


async def _abort(act: AbortBuildAction, caller: RequestContext) -> ActionResult:
    build = await caller.own_bitrise.build(act.app.slug, act.build.slug)
    await caller.own_bitrise.abort(act.app.slug, build.slug, await _in_their_name(act.order, caller))
    said = action_messages.aborted(build, act.app, by=caller.person, order=act.order)
    facts = {"app": redact(act.app.title), "build": build.slug, "number": build.number or 0, "url": build.url}
    return ActionResult(Reply(said, Visibility.CHANNEL), facts)


async def _start(act: TriggerBuildAction, caller: RequestContext) -> ActionResult:
    params = act.trigger_params(
        message=f"Started from Slack by {await caller.signature()}",
        started_by=slack_user(caller.person, caller.team) if caller.person else None,
    )
    started = await caller.own_bitrise.trigger(act.app.slug, params)
    if act.remember:
        kept = act.ask.model_copy(update={"app": act.app.title})
        try:
            await caller.storage.starts.remember(caller.person, act.app.slug, kept, at=caller.now())
        except Exception:
            # It has been started all the same, and its form will only not be filled in the next time.
            log.exception("start.not_remembered", app=act.app.slug)
    answer = await _followed(act.app, started, caller, ask=act.ask)
    return ActionResult(answer, _facts(act.app, started), _said(started))


async def _rebuild(act: RebuildBuildAction, caller: RequestContext) -> ActionResult:
    if act.params is None:
        raise UserError("This was asked for before I was updated. Ask for it again.")
    build = await caller.own_bitrise.build(act.app.slug, act.build.slug)
    params = act.trigger_params(started_by=slack_user(caller.person, caller.team))
    started = await caller.own_bitrise.trigger(act.app.slug, params)
    answer = await _followed(act.app, started, caller, like=(build, act.app))
    return ActionResult(answer, _facts(act.app, started), _said(started))


async def _followed(
    app: App,
    started: Sequence[TriggeredBuild],
    caller: RequestContext,
    *,
    ask: TriggerBuild | None = None,
    like: tuple[Build, App] | None = None,
) -> Reply | None:
    """Follow each that was started in a message of its own; the answer says what those messages do not."""
    answers = []
    for one in (one for one in started if one.ok):
        note = action_messages.start_note(app, one, by=caller.person, ask=ask, like=like)
        if one.is_pipeline and one.build_slug:
            ref = PipelineRef(id=one.build_slug)
            below = pipeline_card.pipeline_run_row(app, ref.id, one)
            answers.append(await follow_pipeline(app, ref, note, caller, buttons=below))
        else:
            below = action_messages.run_row(app, one.build_slug, one) if one.build_slug else []
            answers.append(await follow_build(app, one.build_slug, note, caller, buttons=below))
    said = [one.message for one in answers if one is not None]
    if (refused := [one for one in started if not one.ok]) and caller.person:
        said.append(action_messages.did_not_start(app, refused))
    return Reply(action_messages.joined(said), Visibility.CHANNEL) if said else None


async def _abort_pipeline(act: AbortPipelineAction, caller: RequestContext) -> ActionResult:
    one = await caller.own_bitrise.pipeline(act.app.slug, act.pipeline.id)
    if one.ended:
        raise UserError(f"{one.name} {one.label} has ended already, so it can't be aborted.")
    order = await _in_their_name(act.order, caller)
    await caller.own_bitrise.abort_pipeline(act.app.slug, one.id, order)
    said = pipeline_card.pipeline_aborted(one, act.app, by=caller.person, reason=act.order.reason)
    return ActionResult(Reply(said, Visibility.CHANNEL, title=PIPELINE))


async def _rebuild_pipeline(act: RebuildPipelineAction, caller: RequestContext) -> ActionResult:
    one = await caller.own_bitrise.pipeline(act.app.slug, act.pipeline.id)
    if not one.ended:
        raise UserError(f"{one.name} {one.label} still runs; abort it first, or wait for its end.")
    # Its beginning says that nobody pushed: a display name could say anything (providers/bitrise/actions.py, `pushed`).
    by = None if await caller.is_linked() else f"Slack: {await caller.signature()}"
    await caller.own_bitrise.rebuild_pipeline(act.app.slug, one.id, failed_only=act.failed_only, by=by)
    note = pipeline_card.pipeline_rebuilt(one, act.app, by=caller.person, failed_only=act.failed_only)
    ref = PipelineRef(id=one.id, attempt=one.attempt + 1)
    new = TriggeredBuild(number=one.number, url=one.url, workflow=one.name)
    below = pipeline_card.pipeline_run_row(act.app, one.id, new)
    return ActionResult(await follow_pipeline(act.app, ref, note, caller, buttons=below))


async def _set_public_page(act: SetPublicInstallPageAction, caller: RequestContext) -> ActionResult:
    build = await caller.own_bitrise.build(act.app.slug, act.build.slug)
    one = await caller.own_bitrise.set_public_page(act.app.slug, build.slug, act.artifact, enabled=act.public)
    if one.public_page is not act.public:
        raise UserError("Bitrise took the order, but the install page is as it was. Change it in Bitrise.")
    said = artifact_messages.page_changed(one, build, act.app, by=caller.person)
    return ActionResult(Reply(said, Visibility.CHANNEL), said=f"public: {str(one.public_page).lower()}")


async def _decide(act: DecideBuildRequestAction, caller: RequestContext) -> ActionResult:
    requests, approved = caller.desk.storage.requests, act.approved
    try:
        one = await caller.own_bitrise.decide_request(act.app.slug, act.request, approved=approved)
    except NotFound as error:
        await requests.end(
            Provider.BITRISE, act.request, lambda gone: build_request_messages.request_gone(gone, act.app)
        )
        caller.desk.outbox_changed()
        raise UserError(
            "This build does not wait any more: somebody else has decided, or it has gone."
        ) from error
    said: Message = build_request_messages.request_decided(one, act.app, approved=approved, by=caller.person)
    await requests.end(
        Provider.BITRISE,
        act.request,
        lambda known: build_request_messages.request_gone(known, act.app),
        team=caller.team,
        within=lambda known: build_request_messages.request_decided(
            known, act.app, approved=approved, by=caller.person
        ),
    )
    caller.desk.outbox_changed()
    return ActionResult(Reply(said, Visibility.CHANNEL, title=APPROVALS))


PERFORM: Mapping[type[Any], Callable[[Any, RequestContext], Awaitable[ActionResult]]] = {
    AbortBuildAction: _abort,
    TriggerBuildAction: _start,
    RebuildBuildAction: _rebuild,
    AbortPipelineAction: _abort_pipeline,
    RebuildPipelineAction: _rebuild_pipeline,
    SetPublicInstallPageAction: _set_public_page,
    DecideBuildRequestAction: _decide,
}


async def _in_their_name(order: AbortRequest, caller: RequestContext) -> AbortRequest:
    """The order as Bitrise gets it: where the bot's token asks, Bitrise would name that one's owner."""
    if await caller.is_linked():
        return order
    return order.model_copy(update={"reason": signed(order.reason, await caller.signature())})


def signed(reason: str | None, name: str) -> str:
    """The reason with the person's name."""
    return f"{reason} ({name} via Slack)" if reason else f"{name} via Slack"


def _facts(app: App, started: list[TriggeredBuild]) -> dict[str, Any]:
    first = next(one for one in started if one.ok)
    return {
        "app": redact(app.title),
        "build": first.build_slug or "",
        "number": first.number or 0,
        "url": first.url or "",
    }


def _said(started: list[TriggeredBuild]) -> str:
    return "started " + ", ".join(str(one.build_slug or one.number) for one in started if one.ok)
