"""Buttons on a notification: claim it, snooze it, refresh it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

from domain.commands.errors import UserError
from domain.message import CardState, Recipient
from services.outbox.message_key import RUN, MessageKind
from services.request.button_press import ButtonPress
from services.request.context import RequestContext
from storage.slack_messages import SlackMessage

SNOOZE = timedelta(hours=4)
# A message whose outcome is unknown is searched in the channel, which may take as long.
MAX_WAIT_SECONDS = 30


async def claim(press: ButtonPress) -> None:
    """Write on the card that the user is working on it."""
    await _update_card(press, claimed_by=press.context.person)


async def snooze(press: ButtonPress) -> None:
    """Do not update the card for a while; a fix is notified all the same."""
    context = press.context
    await _update_card(press, snoozed_by=context.person, snoozed_until=context.now() + SNOOZE)


async def unclaim(press: ButtonPress) -> None:
    """Remove the user who is working on it from the card."""
    await _update_card(press, claimed_by=None)


async def end_snooze(press: ButtonPress) -> None:
    """Update the card again, first with the failures since it was snoozed."""
    card, before = await _update_card(press, snoozed_by=None, snoozed_until=None)
    if before.snoozed_until is not None:
        await press.context.services.storage.outbox.release(card.recipient, before.snoozed_until)


async def refresh(press: ButtonPress) -> bool:
    """Update a subscription's message; return whether the pressed message is one.

    Raises UserError for one that must not change any more.
    """
    message = await find_message(press)
    if message is None:
        return False
    await _check_may_change(message, press.context)
    await press.context.services.storage.slack_messages.refresh(message.parcel)
    return True


async def is_started_run(press: ButtonPress) -> bool:
    """Return whether the message follows a build that a user started."""
    message = await find_message(press)
    return message is not None and message.subject.startswith(f"{MessageKind.LIVE} {RUN} ")


async def find_message(press: ButtonPress) -> SlackMessage | None:
    """Return the stored message that the button is on; None if the bot does not update it.

    A user may press a button before the bot knows the new message's ts. So this waits for messages that are being sent.
    """
    pressed, context = press.message, press.context
    if pressed is None or pressed.ts is None:
        return None
    recipient = Recipient(team=context.team, channel=pressed.channel)
    messages = context.services.storage.slack_messages
    sending = await messages.sending(recipient)
    with suppress(TimeoutError):
        async with asyncio.timeout(MAX_WAIT_SECONDS):
            while (found := await messages.find_by_ts(recipient, pressed.ts)) is None and sending:
                await asyncio.sleep(0.1)
                sending &= await messages.sending(recipient)
            return found
    return None


async def _update_card(press: ButtonPress, **changes: object) -> tuple[SlackMessage, CardState]:
    """Change the users' additions to a card; return it, and its state before."""
    card = await find_message(press)
    if card is None:
        raise UserError("This card is too old to change.")
    await _check_may_change(card, press.context)
    before = await press.context.services.storage.slack_messages.update_card(card.parcel, changes)
    return card, before


async def _check_may_change(message: SlackMessage, context: RequestContext) -> None:
    notifications = await context.services.storage.outbox.in_message(message.parcel)
    if notifications and all(notification.access_lost for notification in notifications):
        raise UserError(
            "The person who added this subscription can't see the app any more, so its messages can't be updated."
            " Anyone who can see the app can press *Resume* in the list of subscriptions."
        )
