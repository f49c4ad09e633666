"""Handlers of the buttons about pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from domain.message import Message
from messages.kit import action_ids
from messages.kit.button_values import PipelineButton
from providers.bitrise.pipelines import commands
from providers.bitrise.pipelines.actions import TITLE
from providers.bitrise.provider import BITRISE
from services.features.subscriptions import notification_buttons
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply
from services.request.finder import app_by_slug


async def _show(press: ButtonPress) -> Reply:
    return Reply(await _card(press), title=TITLE)


async def _refresh(press: ButtonPress) -> None:
    # The user must have access to the app: refreshing a notification also shows new results.
    await app_by_slug(press.context, PipelineButton.decode(press.value).app, BITRISE)
    if await notification_buttons.refresh(press):
        return  # notifications are updated by the poller
    await press.responder.replace_original(await _card(press))


async def _rebuild(press: ButtonPress, *, failed_only: bool) -> Reply | None:
    return await commands.rebuild(PipelineButton.decode(press.value), press.context, failed_only=failed_only)


async def _card(press: ButtonPress) -> Message:
    button = PipelineButton.decode(press.value)
    app = await app_by_slug(press.context, button.app, BITRISE)
    return await commands.card(app, button.pipeline, press.context)


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.PIPELINE_SHOW: _show,
    action_ids.PIPELINE_REFRESH: _refresh,
    action_ids.PIPELINE_REBUILD: partial(_rebuild, failed_only=False),
    action_ids.PIPELINE_REBUILD_FAILED: partial(_rebuild, failed_only=True),
}
