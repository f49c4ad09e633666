"""Handlers of the buttons about pipelines, and about builds that wait for approval."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from domain.provider_errors import ProviderError
from domain.recipient import Recipient
from messages import pipeline_card
from messages.kit import action_ids as shared_action_ids
from messages.kit.button_values import PipelineButton, RequestButton
from providers.bitrise import action_ids
from providers.bitrise.action_execution import PIPELINE
from providers.bitrise.build_requests import commands
from providers.bitrise.pipelines import commands as pipeline_commands
from providers.bitrise.presentation import PRESENTATION
from providers.bitrise.provider import BITRISE
from services.features.subscriptions import notification_buttons
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply
from services.request.finder import app_by_slug
from services.slack.errors import SlackCallFailed
from storage.build_requests import subject_of_request

log = structlog.get_logger()


async def _show(press: ButtonPress) -> Reply:
    app, pipeline = await pipeline_commands.find_pipeline(PipelineButton.decode(press.value), press.context)
    return Reply(
        pipeline_card.pipeline_card(
            pipeline, app, now=press.context.provider_now(app.provider), presentation=PRESENTATION
        ),
        title=PIPELINE,
    )


async def _refresh(press: ButtonPress) -> None:
    # The user must have access to the app: refreshing a notification also shows new results.
    await app_by_slug(press.context, PipelineButton.decode(press.value).app, BITRISE)
    if await notification_buttons.refresh(press.message, press.context):
        return  # notifications are updated by the poller
    await press.responder.replace_original((await _show(press)).message)


async def _rebuild_all(press: ButtonPress) -> Reply | None:
    return await pipeline_commands.rebuild(
        PipelineButton.decode(press.value), press.context, failed_only=False
    )


async def _rebuild_failed(press: ButtonPress) -> Reply | None:
    return await pipeline_commands.rebuild(
        PipelineButton.decode(press.value), press.context, failed_only=True
    )


async def _approve(press: ButtonPress) -> Reply | None:
    return await _decide(press, approved=True)


async def _decline(press: ButtonPress) -> Reply | None:
    return await _decide(press, approved=False)


async def _decide(press: ButtonPress, *, approved: bool) -> Reply | None:
    button, context = RequestButton.decode(press.value), press.context
    result = await commands.decide(button, context, approved=approved)
    # A notification that asks for the decision is updated itself, and says who decided.
    if result.is_pending or await notification_buttons.is_updatable(press.message, context):
        return result.answer if result.is_pending else None
    await _update_list(press, button)
    channel = Recipient(team=context.team, channel=context.channel)
    is_notified = await context.services.storage.slack_messages.exists(
        channel, subject_of_request(button.request)
    )
    return None if is_notified else result.answer


async def _update_list(press: ButtonPress, button: RequestButton) -> None:
    """Update the list in which the user decided, so that it shows the remaining builds; failing does no harm."""
    try:
        app = await app_by_slug(press.context, button.app, BITRISE)
        await press.responder.replace_original(await commands.list_app_requests(app, press.context))
    except (ProviderError, SlackCallFailed) as problem:
        log.info("approvals.list_stays", reason=type(problem).__name__)


BUTTONS: Mapping[str, ButtonHandler] = {
    shared_action_ids.PIPELINE_SHOW: _show,
    action_ids.REQUEST_APPROVE: _approve,
    action_ids.REQUEST_DECLINE: _decline,
    shared_action_ids.PIPELINE_REFRESH: _refresh,
    shared_action_ids.PIPELINE_REBUILD: _rebuild_all,
    shared_action_ids.PIPELINE_REBUILD_FAILED: _rebuild_failed,
}
