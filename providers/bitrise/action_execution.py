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
    Abort,
    AbortPipeline,
    Decide,
    Rebuild,
    RebuildPipeline,
    SetPublicPage,
    Start,
)
from providers.bitrise.api.requests import AbortOrder, Started
from providers.bitrise.artifacts import messages as artifact_messages
from providers.bitrise.build_requests import messages as build_request_messages
from providers.bitrise.builds import action_messages
from services.actions.result import Done
from services.features.builds.started_runs import follow_build, follow_pipeline
from services.request.context import Answer, Audience, Caller
from services.request.finder import NotNamed

log = structlog.get_logger()

APPROVALS = "Approvals"
PIPELINE = "Pipeline"


async def _abort(act: Abort, caller: Caller) -> Done:
    build = await caller.own_bitrise.build(act.app.slug, act.build.slug)
    await caller.own_bitrise.abort(act.app.slug, build.slug, await _in_their_name(act.order, caller))
    said = action_messages.aborted(build, act.app, by=caller.person, order=act.order)
    facts = {"app": redact(act.app.title), "build": build.slug, "number": build.number or 0, "url": build.url}
    return Done(Answer(said, Audience.CHANNEL), facts)


async def _start(act: Start, caller: Caller) -> Done:
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
    return Done(answer, _facts(act.app, started), _said(started))


async def _rebuild(act: Rebuild, caller: Caller) -> Done:
    if act.params is None:
        raise NotNamed("This was asked for before I was updated. Ask for it again.")
    build = await caller.own_bitrise.build(act.app.slug, act.build.slug)
    params = act.trigger_params(started_by=slack_user(caller.person, caller.team))
    started = await caller.own_bitrise.trigger(act.app.slug, params)
    answer = await _followed(act.app, started, caller, like=(build, act.app))
    return Done(answer, _facts(act.app, started), _said(started))


async def _followed(
    app: App,
    started: Sequence[Started],
    caller: Caller,
    *,
    ask: TriggerBuild | None = None,
    like: tuple[Build, App] | None = None,
) -> Answer | None:
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
    return Answer(action_messages.joined(said), Audience.CHANNEL) if said else None


async def _abort_pipeline(act: AbortPipeline, caller: Caller) -> Done:
    one = await caller.own_bitrise.pipeline(act.app.slug, act.pipeline.id)
    if one.ended:
        raise NotNamed(f"{one.name} {one.label} has ended already, so it can't be aborted.")
    order = await _in_their_name(act.order, caller)
    await caller.own_bitrise.abort_pipeline(act.app.slug, one.id, order)
    said = pipeline_card.pipeline_aborted(one, act.app, by=caller.person, reason=act.order.reason)
    return Done(Answer(said, Audience.CHANNEL, title=PIPELINE))


async def _rebuild_pipeline(act: RebuildPipeline, caller: Caller) -> Done:
    one = await caller.own_bitrise.pipeline(act.app.slug, act.pipeline.id)
    if not one.ended:
        raise NotNamed(f"{one.name} {one.label} still runs; abort it first, or wait for its end.")
    # Its beginning says that nobody pushed: a display name could say anything (providers/bitrise/actions.py, `pushed`).
    by = None if await caller.is_linked() else f"Slack: {await caller.signature()}"
    await caller.own_bitrise.rebuild_pipeline(act.app.slug, one.id, failed_only=act.failed_only, by=by)
    note = pipeline_card.pipeline_rebuilt(one, act.app, by=caller.person, failed_only=act.failed_only)
    ref = PipelineRef(id=one.id, attempt=one.attempt + 1)
    new = Started(number=one.number, url=one.url, workflow=one.name)
    below = pipeline_card.pipeline_run_row(act.app, one.id, new)
    return Done(await follow_pipeline(act.app, ref, note, caller, buttons=below))


async def _set_public_page(act: SetPublicPage, caller: Caller) -> Done:
    build = await caller.own_bitrise.build(act.app.slug, act.build.slug)
    one = await caller.own_bitrise.set_public_page(act.app.slug, build.slug, act.artifact, enabled=act.public)
    if one.public_page is not act.public:
        raise NotNamed("Bitrise took the order, but the install page is as it was. Change it in Bitrise.")
    said = artifact_messages.page_changed(one, build, act.app, by=caller.person)
    return Done(Answer(said, Audience.CHANNEL), said=f"public: {str(one.public_page).lower()}")


async def _decide(act: Decide, caller: Caller) -> Done:
    requests, approved = caller.desk.storage.requests, act.approved
    try:
        one = await caller.own_bitrise.decide_request(act.app.slug, act.request, approved=approved)
    except NotFound as error:
        await requests.end(
            Provider.BITRISE, act.request, lambda gone: build_request_messages.request_gone(gone, act.app)
        )
        caller.desk.outbox_changed()
        raise NotNamed(
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
    return Done(Answer(said, Audience.CHANNEL, title=APPROVALS))


PERFORM: Mapping[type[Any], Callable[[Any, Caller], Awaitable[Done]]] = {
    Abort: _abort,
    Start: _start,
    Rebuild: _rebuild,
    AbortPipeline: _abort_pipeline,
    RebuildPipeline: _rebuild_pipeline,
    SetPublicPage: _set_public_page,
    Decide: _decide,
}


async def _in_their_name(order: AbortOrder, caller: Caller) -> AbortOrder:
    """The order as Bitrise gets it: where the bot's token asks, Bitrise would name that one's owner."""
    if await caller.is_linked():
        return order
    return order.model_copy(update={"reason": signed(order.reason, await caller.signature())})


def signed(reason: str | None, name: str) -> str:
    """The reason with the person's name."""
    return f"{reason} ({name} via Slack)" if reason else f"{name} via Slack"


def _facts(app: App, started: list[Started]) -> dict[str, Any]:
    first = next(one for one in started if one.ok)
    return {
        "app": redact(app.title),
        "build": first.build_slug or "",
        "number": first.number or 0,
        "url": first.url or "",
    }


def _said(started: list[Started]) -> str:
    return "started " + ", ".join(str(one.build_slug or one.number) for one in started if one.ok)
