"""Asking Bitrise for what was judged and agreed to: as the person, with their own token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from domain.build import App, Build, PipelineRef
from domain.build_author import slack_user
from domain.commands.trigger_build import TriggerBuild
from domain.errors import NotFound
from domain.message import Message
from domain.provider import Provider
from domain.redaction.redactor import redact
from messages import pipeline_card
from providers.bitrise.action_preparation import (
    fetch_artifact_title,
    fetch_build_params,
    fetch_build_request,
)
from providers.bitrise.actions import (
    AbortBuildAction,
    AbortPipelineAction,
    DecideBuildRequestAction,
    RebuildBuildAction,
    RebuildPipelineAction,
    SetPublicInstallPageAction,
    TriggerBuildAction,
)
from providers.bitrise.api.access import own_client
from providers.bitrise.api.requests import AbortRequest, TriggeredBuild
from providers.bitrise.artifacts import messages as artifact_messages
from providers.bitrise.build_requests import messages as build_request_messages
from providers.bitrise.builds import action_messages
from services.actions.action_spec import ActionSpec
from services.actions.result import ActionResult
from services.features.builds.started_runs import follow_build, follow_pipeline
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import UserError

log = structlog.get_logger()

APPROVALS = "Approvals"
PIPELINE = "Pipeline"


async def _abort(action: AbortBuildAction, context: RequestContext) -> ActionResult:
    build = await own_client(context).build(action.app.slug, action.build.slug)
    await own_client(context).abort(action.app.slug, build.slug, await _in_their_name(action.order, context))
    said = action_messages.build_aborted(build, action.app, by=context.person, order=action.order)
    facts = {
        "app": redact(action.app.title),
        "build": build.slug,
        "number": build.number or 0,
        "url": build.url,
    }
    return ActionResult(Reply(said, Visibility.CHANNEL), facts)


async def _start(action: TriggerBuildAction, context: RequestContext) -> ActionResult:
    params = action.trigger_params(
        message=f"Started from Slack by {await context.display_name()}",
        started_by=slack_user(context.person, context.team) if context.person else None,
    )
    started = await own_client(context).trigger(action.app.slug, params)
    if action.remember:
        kept = action.ask.model_copy(update={"app": action.app.title})
        try:
            await context.storage.last_triggers.store(context.person, action.app.slug, kept, at=context.now())
        except Exception:
            # It has been started all the same, and its form will only not be filled in the next time.
            log.exception("start.not_remembered", app=action.app.slug)
    answer = await _followed(action.app, started, context, command=action.ask)
    return ActionResult(answer, _facts(action.app, started), _said(started))


async def _rebuild(action: RebuildBuildAction, context: RequestContext) -> ActionResult:
    if action.params is None:
        raise UserError("This was asked for before I was updated. Ask for it again.")
    build = await own_client(context).build(action.app.slug, action.build.slug)
    params = action.trigger_params(started_by=slack_user(context.person, context.team))
    started = await own_client(context).trigger(action.app.slug, params)
    answer = await _followed(action.app, started, context, like=(build, action.app))
    return ActionResult(answer, _facts(action.app, started), _said(started))


async def _followed(
    app: App,
    started: Sequence[TriggeredBuild],
    context: RequestContext,
    *,
    command: TriggerBuild | None = None,
    like: tuple[Build, App] | None = None,
) -> Reply | None:
    """Follow each that was started in a message of its own; the answer says what those messages do not."""
    answers = []
    for one in (one for one in started if one.ok):
        note = action_messages.start_note(app, one, by=context.person, command=command, like=like)
        if one.is_pipeline and one.build_slug:
            ref = PipelineRef(id=one.build_slug)
            below = pipeline_card.pipeline_run_row(
                app, ref.id, name=one.workflow, number=one.number, url=one.url
            )
            answers.append(await follow_pipeline(app, ref, note, context, buttons=below))
        else:
            below = action_messages.run_row(app, one.build_slug, one) if one.build_slug else []
            answers.append(await follow_build(app, one.build_slug, note, context, buttons=below))
    said = [one.message for one in answers if one is not None]
    if (refused := [one for one in started if not one.ok]) and context.person:
        said.append(action_messages.builds_not_started(app, refused))
    return Reply(action_messages.combine_messages(said), Visibility.CHANNEL) if said else None


async def _abort_pipeline(action: AbortPipelineAction, context: RequestContext) -> ActionResult:
    one = await own_client(context).pipeline(action.app.slug, action.pipeline.id)
    if one.ended:
        raise UserError(f"{one.name} {one.label} has ended already, so it can't be aborted.")
    order = await _in_their_name(action.order, context)
    await own_client(context).abort_pipeline(action.app.slug, one.id, order)
    said = pipeline_card.pipeline_aborted(one, action.app, by=context.person, reason=action.order.reason)
    return ActionResult(Reply(said, Visibility.CHANNEL, title=PIPELINE))


async def _rebuild_pipeline(action: RebuildPipelineAction, context: RequestContext) -> ActionResult:
    one = await own_client(context).pipeline(action.app.slug, action.pipeline.id)
    if not one.ended:
        raise UserError(f"{one.name} {one.label} still runs; abort it first, or wait for its end.")
    # Its beginning says that nobody pushed: a display name could say anything (providers/bitrise/actions.py, `pushed`).
    by = None if await context.is_linked(Provider.BITRISE) else f"Slack: {await context.display_name()}"
    await own_client(context).rebuild_pipeline(action.app.slug, one.id, failed_only=action.failed_only, by=by)
    note = pipeline_card.pipeline_rebuilt(one, action.app, by=context.person, failed_only=action.failed_only)
    ref = PipelineRef(id=one.id, attempt=one.attempt + 1)
    new = TriggeredBuild(number=one.number, url=one.url, workflow=one.name)
    below = pipeline_card.pipeline_run_row(
        action.app, one.id, name=new.workflow, number=new.number, url=new.url
    )
    return ActionResult(await follow_pipeline(action.app, ref, note, context, buttons=below))


async def _set_public_page(action: SetPublicInstallPageAction, context: RequestContext) -> ActionResult:
    build = await own_client(context).build(action.app.slug, action.build.slug)
    one = await own_client(context).set_public_page(
        action.app.slug, build.slug, action.artifact, enabled=action.public
    )
    if one.public_page is not action.public:
        raise UserError("Bitrise took the order, but the install page is as it was. Change it in Bitrise.")
    said = artifact_messages.page_changed(one, build, action.app, by=context.person)
    return ActionResult(
        Reply(said, Visibility.CHANNEL), provider_answer=f"public: {str(one.public_page).lower()}"
    )


async def _decide(action: DecideBuildRequestAction, context: RequestContext) -> ActionResult:
    requests, approved = context.services.storage.build_requests, action.approved
    try:
        one = await own_client(context).decide_request(action.app.slug, action.request, approved=approved)
    except NotFound as error:
        await requests.end(
            Provider.BITRISE,
            action.request,
            lambda gone: build_request_messages.request_gone(gone, action.app),
        )
        context.services.events.outbox_changed()
        raise UserError(
            "This build does not wait any more: somebody else has decided, or it has gone."
        ) from error
    said: Message = build_request_messages.request_decided(
        one, action.app, approved=approved, by=context.person
    )
    await requests.end(
        Provider.BITRISE,
        action.request,
        lambda known: build_request_messages.request_gone(known, action.app),
        team=context.team,
        within=lambda known: build_request_messages.request_decided(
            known, action.app, approved=approved, by=context.person
        ),
    )
    context.services.events.outbox_changed()
    return ActionResult(Reply(said, Visibility.CHANNEL, title=APPROVALS))


ACTIONS: Sequence[ActionSpec[Any, RequestContext, ActionResult]] = (
    ActionSpec(AbortBuildAction, _abort),
    ActionSpec(TriggerBuildAction, _start),
    ActionSpec(RebuildBuildAction, _rebuild, prepare=fetch_build_params),
    ActionSpec(AbortPipelineAction, _abort_pipeline),
    ActionSpec(RebuildPipelineAction, _rebuild_pipeline),
    ActionSpec(SetPublicInstallPageAction, _set_public_page, prepare=fetch_artifact_title),
    ActionSpec(DecideBuildRequestAction, _decide, prepare=fetch_build_request),
)


async def _in_their_name(order: AbortRequest, context: RequestContext) -> AbortRequest:
    """The order as Bitrise gets it: where the bot's token asks, Bitrise would name that one's owner."""
    if await context.is_linked(Provider.BITRISE):
        return order
    return order.model_copy(update={"reason": sign_reason(order.reason, await context.display_name())})


def sign_reason(reason: str | None, name: str) -> str:
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
