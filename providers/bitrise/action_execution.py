"""Execution of Bitrise's actions after permission and approval, in the user's name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog

from domain.build import App, Build, PipelineRef
from domain.build_author import slack_user
from domain.commands.trigger_build import TriggerBuild
from domain.message import Message
from domain.provider_errors import NotFound
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
from providers.bitrise.provider import BITRISE
from services.actions.action_spec import ActionSpec
from services.actions.result import ActionResult
from services.events import OutboxChanged
from services.features.builds.started_runs import follow_build, follow_pipeline
from services.request.context import Reply, RequestContext, Visibility
from services.request.errors import UserError

log = structlog.get_logger()

APPROVALS = "Approvals"
PIPELINE = "Pipeline"


async def _abort(action: AbortBuildAction, context: RequestContext) -> ActionResult:
    build = await own_client(context).build(action.app.slug, action.build.slug)
    await own_client(context).abort(action.app.slug, build.slug, await _sign_order(action.order, context))
    message = action_messages.build_aborted(build, action.app, by=context.person, order=action.order)
    outputs = {
        "app": redact(action.app.title),
        "build": build.slug,
        "number": build.number or 0,
        "url": build.url,
    }
    return ActionResult(Reply(message, Visibility.CHANNEL), outputs)


async def _start(action: TriggerBuildAction, context: RequestContext) -> ActionResult:
    params = action.trigger_params(
        message=f"Started from Slack by {await context.display_name()}",
        started_by=slack_user(context.person, context.team) if context.person else None,
    )
    started = await own_client(context).trigger(action.app.slug, params)
    if action.remember:
        command = action.ask.model_copy(update={"app": action.app.title})
        try:
            await context.storage.last_triggers.store(
                context.person, action.app.slug, command, at=context.now()
            )
        except Exception:
            # The build was started; only the form will not be prefilled next time.
            log.exception("start.not_remembered", app=action.app.slug)
    answer = await _follow_started(action.app, started, context, command=action.ask)
    return ActionResult(answer, _outputs(action.app, started), _provider_answer(started))


async def _rebuild(action: RebuildBuildAction, context: RequestContext) -> ActionResult:
    if action.params is None:
        raise UserError("This was asked for before I was updated. Ask for it again.")
    build = await own_client(context).build(action.app.slug, action.build.slug)
    params = action.trigger_params(started_by=slack_user(context.person, context.team))
    started = await own_client(context).trigger(action.app.slug, params)
    answer = await _follow_started(action.app, started, context, like=(build, action.app))
    return ActionResult(answer, _outputs(action.app, started), _provider_answer(started))


async def _follow_started(
    app: App,
    started: Sequence[TriggeredBuild],
    context: RequestContext,
    *,
    command: TriggerBuild | None = None,
    like: tuple[Build, App] | None = None,
) -> Reply | None:
    """Post a message for each started build or pipeline that shows its progress; return what those messages omit."""
    answers = []
    for run in (run for run in started if run.ok):
        note = action_messages.start_note(app, run, by=context.person, command=command, like=like)
        if run.is_pipeline and run.build_slug:
            ref = PipelineRef(id=run.build_slug)
            buttons = pipeline_card.pipeline_run_row(
                app, ref.id, name=run.workflow, number=run.number, url=run.url
            )
            answers.append(await follow_pipeline(app, ref, note, context, buttons=buttons))
        else:
            buttons = action_messages.run_row(app, run.build_slug, run) if run.build_slug else []
            answers.append(await follow_build(app, run.build_slug, note, context, buttons=buttons))
    messages = [answer.message for answer in answers if answer is not None]
    if (refused := [run for run in started if not run.ok]) and context.person:
        messages.append(action_messages.builds_not_started(app, refused))
    return Reply(action_messages.combine_messages(messages), Visibility.CHANNEL) if messages else None


async def _abort_pipeline(action: AbortPipelineAction, context: RequestContext) -> ActionResult:
    pipeline = await own_client(context).pipeline(action.app.slug, action.pipeline.id)
    if pipeline.ended:
        raise UserError(f"{pipeline.name} {pipeline.label} has ended already, so it can't be aborted.")
    order = await _sign_order(action.order, context)
    await own_client(context).abort_pipeline(action.app.slug, pipeline.id, order)
    message = pipeline_card.pipeline_aborted(
        pipeline, action.app, by=context.person, reason=action.order.reason
    )
    return ActionResult(Reply(message, Visibility.CHANNEL, title=PIPELINE))


async def _rebuild_pipeline(action: RebuildPipelineAction, context: RequestContext) -> ActionResult:
    pipeline = await own_client(context).pipeline(action.app.slug, action.pipeline.id)
    if not pipeline.ended:
        raise UserError(f"{pipeline.name} {pipeline.label} still runs; abort it first, or wait for its end.")
    # The prefix shows that it was not pushed: a display name can be anything (providers/bitrise/actions.py, `pushed`).
    by = None if await context.is_linked(BITRISE) else f"Slack: {await context.display_name()}"
    await own_client(context).rebuild_pipeline(
        action.app.slug, pipeline.id, failed_only=action.failed_only, by=by
    )
    note = pipeline_card.pipeline_rebuilt(
        pipeline, action.app, by=context.person, failed_only=action.failed_only
    )
    ref = PipelineRef(id=pipeline.id, attempt=pipeline.attempt + 1)
    run = TriggeredBuild(number=pipeline.number, url=pipeline.url, workflow=pipeline.name)
    buttons = pipeline_card.pipeline_run_row(
        action.app, pipeline.id, name=run.workflow, number=run.number, url=run.url
    )
    return ActionResult(await follow_pipeline(action.app, ref, note, context, buttons=buttons))


async def _set_public_page(action: SetPublicInstallPageAction, context: RequestContext) -> ActionResult:
    build = await own_client(context).build(action.app.slug, action.build.slug)
    artifact = await own_client(context).set_public_page(
        action.app.slug, build.slug, action.artifact, enabled=action.public
    )
    if artifact.public_page is not action.public:
        raise UserError("Bitrise took the order, but the install page is as it was. Change it in Bitrise.")
    message = artifact_messages.page_changed(artifact, build, action.app, by=context.person)
    return ActionResult(
        Reply(message, Visibility.CHANNEL), provider_answer=f"public: {str(artifact.public_page).lower()}"
    )


async def _decide(action: DecideBuildRequestAction, context: RequestContext) -> ActionResult:
    requests, approved = context.services.storage.build_requests, action.approved
    try:
        request = await own_client(context).decide_request(action.app.slug, action.request, approved=approved)
    except NotFound as error:
        await requests.end(
            BITRISE,
            action.request,
            lambda gone: build_request_messages.request_gone(gone, action.app),
        )
        context.services.events.publish(OutboxChanged())
        raise UserError(
            "This build does not wait any more: somebody else has decided, or it has gone."
        ) from error
    message: Message = build_request_messages.request_decided(
        request, action.app, approved=approved, by=context.person
    )
    await requests.end(
        BITRISE,
        action.request,
        lambda known: build_request_messages.request_gone(known, action.app),
        team=context.team,
        within=lambda known: build_request_messages.request_decided(
            known, action.app, approved=approved, by=context.person
        ),
    )
    context.services.events.publish(OutboxChanged())
    return ActionResult(Reply(message, Visibility.CHANNEL, title=APPROVALS))


ACTIONS: Sequence[ActionSpec[Any, RequestContext, ActionResult]] = (
    ActionSpec(AbortBuildAction, _abort),
    ActionSpec(TriggerBuildAction, _start),
    ActionSpec(RebuildBuildAction, _rebuild, prepare=fetch_build_params),
    ActionSpec(AbortPipelineAction, _abort_pipeline),
    ActionSpec(RebuildPipelineAction, _rebuild_pipeline),
    ActionSpec(SetPublicInstallPageAction, _set_public_page, prepare=fetch_artifact_title),
    ActionSpec(DecideBuildRequestAction, _decide, prepare=fetch_build_request),
)


async def _sign_order(order: AbortRequest, context: RequestContext) -> AbortRequest:
    """Add the user's name to the reason if the bot's token is used: Bitrise would show the token's owner."""
    if await context.is_linked(BITRISE):
        return order
    return order.model_copy(update={"reason": sign_reason(order.reason, await context.display_name())})


def sign_reason(reason: str | None, name: str) -> str:
    """Return the reason with the user's name."""
    return f"{reason} ({name} via Slack)" if reason else f"{name} via Slack"


def _outputs(app: App, started: list[TriggeredBuild]) -> dict[str, Any]:
    first = next(run for run in started if run.ok)
    return {
        "app": redact(app.title),
        "build": first.build_slug or "",
        "number": first.number or 0,
        "url": first.url or "",
    }


def _provider_answer(started: list[TriggeredBuild]) -> str:
    return "started " + ", ".join(str(run.build_slug or run.number) for run in started if run.ok)
