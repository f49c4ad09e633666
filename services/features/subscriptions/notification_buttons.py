"""Buttons on a notification: claim it, snooze it, refresh it."""

from __future__ import annotations

from datetime import timedelta

from domain.message_state import CardState
from domain.recipient import Recipient
from services.events import OutboxChanged
from services.outbox.message_key import RUN, MessageKind
from services.request.context import RequestContext
from services.request.errors import UserError
from services.request.responder import PressedMessage
from storage.slack_messages import SlackMessage

SNOOZE = timedelta(hours=4)


async def claim(pressed: PressedMessage | None, context: RequestContext) -> None:
    """Write on the card that the user is working on it."""
    await _update_card(pressed, context, claimed_by=context.person)


async def snooze(pressed: PressedMessage | None, context: RequestContext) -> None:
    """Do not update the card for a while; a fix is notified all the same."""
    await _update_card(pressed, context, snoozed_by=context.person, snoozed_until=context.now() + SNOOZE)


async def unclaim(pressed: PressedMessage | None, context: RequestContext) -> None:
    """Remove the user who is working on it from the card."""
    await _update_card(pressed, context, claimed_by=None)


async def end_snooze(pressed: PressedMessage | None, context: RequestContext) -> None:
    """Update the card again, first with the failures since it was snoozed."""
    note = await _update_card(pressed, context, snoozed_by=None, snoozed_until=None)
    if note.snoozed_until is not None and pressed is not None:
        await context.services.storage.outbox.release(_recipient(pressed, context), note.snoozed_until)
        context.services.events.publish(OutboxChanged())


async def refresh(pressed: PressedMessage | None, context: RequestContext) -> bool:
    """Update a subscription's message; return whether the pressed message is one.

    Raises UserError for one that must not change any more.
    """
    messages = context.services.storage.slack_messages
    message = (
        await messages.find_by_ts(_recipient(pressed, context), pressed.ts)
        if pressed and pressed.ts
        else None
    )
    if message is None:
        return False
    await _check_may_change(message, context)
    await messages.refresh(message.parcel)
    context.services.events.publish(OutboxChanged())
    return True


async def is_started_run(pressed: PressedMessage | None, context: RequestContext) -> bool:
    """Return whether the message follows a build that a user started."""
    if pressed is None or pressed.ts is None:
        return False
    message = await context.services.storage.slack_messages.find_by_ts(
        _recipient(pressed, context), pressed.ts
    )
    return message is not None and message.subject.startswith(f"{MessageKind.LIVE} {RUN} ")


async def is_updatable(pressed: PressedMessage | None, context: RequestContext) -> bool:
    """Return whether the bot updates this message."""
    if pressed is None or pressed.ts is None:
        return False
    return (
        await context.services.storage.slack_messages.find_by_ts(_recipient(pressed, context), pressed.ts)
        is not None
    )


async def _update_card(
    pressed: PressedMessage | None, context: RequestContext, **changes: object
) -> CardState:
    """Change the users' additions to a card; return its state before."""
    messages = context.services.storage.slack_messages
    card = (
        await messages.find_by_ts(_recipient(pressed, context), pressed.ts)
        if pressed and pressed.ts
        else None
    )
    if card is None:
        raise UserError("This card is too old to be changed.")
    await _check_may_change(card, context)
    before = await messages.update_card(card.parcel, changes)
    context.services.events.publish(OutboxChanged())
    return before


async def _check_may_change(message: SlackMessage, context: RequestContext) -> None:
    notifications = await context.services.storage.outbox.in_message(message.parcel)
    if notifications and all(notification.access_lost for notification in notifications):
        raise UserError(
            "Whoever made this subscription can't see the app any more, so its messages stay as they are. Somebody who"
            " can see the app can press *Tell again* in the list of subscriptions."
        )


def _recipient(pressed: PressedMessage, context: RequestContext) -> Recipient:
    return Recipient(team=context.team, channel=pressed.channel)
