"""Handlers of the buttons about pipelines."""

from __future__ import annotations

from collections.abc import Mapping

from messages import pipeline_card
from messages.kit import action_ids
from messages.kit.button_values import PipelineButton
from providers.bitrise.pipelines import commands
from providers.bitrise.pipelines.actions import TITLE
from providers.bitrise.presentation import PRESENTATION
from providers.bitrise.provider import BITRISE
from services.features.subscriptions import notification_buttons
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply
from services.request.finder import app_by_slug


async def _show(press: ButtonPress) -> Reply:
    app, pipeline = await commands.find_pipeline(PipelineButton.decode(press.value), press.context)
    return Reply(
        pipeline_card.pipeline_card(
            pipeline, app, now=press.context.provider_now(app.provider), presentation=PRESENTATION
        ),
        title=TITLE,
    )


async def _refresh(press: ButtonPress) -> None:
    # The user must have access to the app: refreshing a notification also shows new results.
    await app_by_slug(press.context, PipelineButton.decode(press.value).app, BITRISE)
    if await notification_buttons.refresh(press):
        return  # notifications are updated by the poller
    await press.responder.replace_original((await _show(press)).message)


async def _rebuild_all(press: ButtonPress) -> Reply | None:
    return await commands.rebuild(PipelineButton.decode(press.value), press.context, failed_only=False)


async def _rebuild_failed(press: ButtonPress) -> Reply | None:
    return await commands.rebuild(PipelineButton.decode(press.value), press.context, failed_only=True)


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.PIPELINE_SHOW: _show,
    action_ids.PIPELINE_REFRESH: _refresh,
    action_ids.PIPELINE_REBUILD: _rebuild_all,
    action_ids.PIPELINE_REBUILD_FAILED: _rebuild_failed,
}
