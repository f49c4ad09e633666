"""Buttons about pipelines, and about builds that wait for approval."""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from domain.errors import ProviderError
from domain.provider import Provider
from domain.recipient import Recipient
from messages import pipeline_card
from messages.kit import action_ids
from messages.kit.button_values import PipelineButton, RequestButton
from providers.bitrise.action_execution import PIPELINE
from providers.bitrise.build_requests import commands
from providers.bitrise.pipelines import commands as pipeline_commands
from providers.bitrise.presentation import PRESENTATION
from services.features.subscriptions import notification_buttons
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply
from services.request.finder import app_by_slug
from services.slack.errors import SlackCallFailed
from storage.build_requests import subject_of_request

log = structlog.get_logger()


async def _pipeline(press: ButtonPress) -> Reply:
    app, one = await pipeline_commands.find_pipeline(PipelineButton.decode(press.value), press.context)
    return Reply(
        pipeline_card.pipeline_card(
            one, app, now=press.context.provider_now(app.provider), presentation=PRESENTATION
        ),
        title=PIPELINE,
    )


async def _pipeline_refresh(press: ButtonPress) -> None:
    # Who presses must see the app: a subscription's message, too, says then what has come of it since.
    await app_by_slug(press.context, PipelineButton.decode(press.value).app, Provider.BITRISE)
    if await notification_buttons.refresh(press.message, press.context):
        return  # a subscription's message is kept up to date by what the watcher sees
    await press.responder.replace_original((await _pipeline(press)).message)


async def _pipeline_rebuild(press: ButtonPress) -> Reply | None:
    return await pipeline_commands.rebuild(
        PipelineButton.decode(press.value), press.context, failed_only=False
    )


async def _pipeline_rebuild_failed(press: ButtonPress) -> Reply | None:
    return await pipeline_commands.rebuild(
        PipelineButton.decode(press.value), press.context, failed_only=True
    )


async def _approve(press: ButtonPress) -> Reply | None:
    return await _decide(press, approved=True)


async def _decline(press: ButtonPress) -> Reply | None:
    return await _decide(press, approved=False)


async def _decide(press: ButtonPress, *, approved: bool) -> Reply | None:
    button, context = RequestButton.decode(press.value), press.context
    done = await commands.decide(button, context, approved=approved)
    # A message that asks for the decision is itself changed, and says who decided.
    if done.is_pending or await notification_buttons.is_updatable(press.message, context):
        return done.answer if done.is_pending else None
    await _show_the_rest(press, button)
    here = Recipient(team=context.team, channel=context.channel)
    told = await context.services.storage.slack_messages.exists(here, subject_of_request(button.request))
    return None if told else done.answer


async def _show_the_rest(press: ButtonPress, button: RequestButton) -> None:
    """Let the list in which it was decided show those that wait still; where it stays as it was, that is no harm."""
    try:
        app = await app_by_slug(press.context, button.app, Provider.BITRISE)
        await press.responder.replace_original(await commands.list_app_requests(app, press.context))
    except (ProviderError, SlackCallFailed) as problem:
        log.info("approvals.list_stays", reason=type(problem).__name__)


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.PIPELINE_SHOW: _pipeline,
    action_ids.REQUEST_APPROVE: _approve,
    action_ids.REQUEST_DECLINE: _decline,
    action_ids.PIPELINE_REFRESH: _pipeline_refresh,
    action_ids.PIPELINE_REBUILD: _pipeline_rebuild,
    action_ids.PIPELINE_REBUILD_FAILED: _pipeline_rebuild_failed,
}
