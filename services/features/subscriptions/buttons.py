"""Buttons for subscriptions and cards."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

import structlog

from domain.commands.shared_commands import ListSubscriptions
from domain.message import Message
from messages.kit import action_ids
from messages.kit.button_values import AppButton, InvalidButtonValue
from services.events import UserActed
from services.features.subscriptions import commands, notification_buttons
from services.features.subscriptions.form import open_subscribe, open_subscription
from services.request.button_press import ButtonHandler, ButtonPress, read_app, read_numbers
from services.request.context import Reply
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()


async def _subscribe(press: ButtonPress) -> None:
    provider = AppButton.decode(press.value).provider
    await open_subscribe(press.context, provider, read_app(press))


async def _unsubscribe(press: ButtonPress) -> Reply | None:
    return await _run_and_refresh_list(press, commands.unsubscribe_by_ids(read_numbers(press), press.context))


async def _pause(press: ButtonPress) -> Reply | None:
    return await _run_and_refresh_list(press, commands.pause_by_id(_read_id(press), press.context))


async def _resume(press: ButtonPress) -> Reply | None:
    return await _run_and_refresh_list(press, commands.resume_by_ids(read_numbers(press), press.context))


async def _run_and_refresh_list(press: ButtonPress, change: Awaitable[Reply | None]) -> Reply | None:
    """Do it and refresh the list with the pressed button, also if the list shows subscriptions that have ended."""
    try:
        reply = await change
    except (commands.NoSuchSubscription, commands.NotStopped):
        await _refresh_list(press)
        raise
    await _refresh_list(press)
    return _refresh_home(press, reply)


async def _resume_stopped(press: ButtonPress) -> Reply | None:
    """Resume what a notice says has stopped; the notice keeps its button while anything can still be resumed."""
    try:
        reply = await commands.resume_by_ids(read_numbers(press), press.context)
    except (commands.NoSuchSubscription, commands.NotStopped):
        await _remove_button(press)
        raise
    await _remove_button(press)
    return _refresh_home(press, reply)


async def _remove_button(press: ButtonPress) -> None:
    """Remove the pressed button's block from its message, and keep its texts."""
    blocks = [
        block
        for block in press.shown
        if block.get("type") in ("section", "context") and block.get("block_id") != press.block
    ]
    text = next((block["text"]["text"] for block in blocks if block.get("type") == "section"), "")
    if blocks:
        await _replace_message(press, Message(text, blocks))


async def _refresh_list(press: ButtonPress) -> None:
    if not press.context.channel:
        press.context.services.events.publish(UserActed(press.context.team, press.context.person))
        return
    provider = press.context.services.clients.first
    listed = await commands.list_subscriptions(ListSubscriptions(), press.context, provider)
    await _replace_message(press, listed.message)


async def _replace_message(press: ButtonPress, message: Message) -> None:
    try:
        await press.responder.replace_original(message)
    except SlackCallFailed as problem:
        # The change was made, and the channel was notified.
        log.info("list.not_refreshed", reason=problem.reason)


async def _edit(press: ButtonPress) -> None:
    await open_subscription(_read_id(press), press.context)


def _read_id(press: ButtonPress) -> int:
    if not press.value.isdecimal() or len(press.value) > 15:
        raise InvalidButtonValue
    return int(press.value)


def _refresh_home(press: ButtonPress, reply: Reply | None) -> Reply | None:
    press.context.services.events.publish(UserActed(press.context.team, press.context.person))
    return reply


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.UNSUBSCRIBE: _unsubscribe,
    action_ids.SUBSCRIPTION_PAUSE: _pause,
    action_ids.SUBSCRIPTION_RESUME: _resume,
    action_ids.STOPPED_RESUME: _resume_stopped,
    action_ids.CARD_CLAIM: notification_buttons.claim,
    action_ids.CARD_SNOOZE: notification_buttons.snooze,
    action_ids.CARD_UNCLAIM: notification_buttons.unclaim,
    action_ids.CARD_UNSNOOZE: notification_buttons.end_snooze,
}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.SUBSCRIPTION_EDIT: _edit,
    action_ids.SUBSCRIBE: _subscribe,
}
