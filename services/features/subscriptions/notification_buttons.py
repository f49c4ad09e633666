"""What people do to a subscription's message: say that they are on it, leave it alone for a while, refresh it."""

from __future__ import annotations

from datetime import timedelta

from domain.message_state import CardState
from domain.recipient import Recipient
from services.outbox.message_key import RUN, MessageKind
from services.request.context import RequestContext
from services.request.finder import UserError
from services.request.responder import PressedMessage
from storage.slack_messages import SlackMessage

SNOOZE = timedelta(hours=4)


async def claim(pressed: PressedMessage | None, context: RequestContext) -> None:
    """Write on the card that the person is on it."""
    await _note(pressed, context, claimed_by=context.person)


async def snooze(pressed: PressedMessage | None, context: RequestContext) -> None:
    """Leave the card as it is for a while; a fix is told all the same."""
    await _note(pressed, context, snoozed_by=context.person, snoozed_until=context.now() + SNOOZE)


async def unclaim(pressed: PressedMessage | None, context: RequestContext) -> None:
    """Write on the card that nobody is on it."""
    await _note(pressed, context, claimed_by=None)


async def end_snooze(pressed: PressedMessage | None, context: RequestContext) -> None:
    """Let the card be changed again, by what has failed meanwhile first."""
    note = await _note(pressed, context, snoozed_by=None, snoozed_until=None)
    if note.snoozed_until is not None and pressed is not None:
        await context.services.storage.outbox.release(_place(pressed, context), note.snoozed_until)
        context.services.events.outbox_changed()


async def refresh(pressed: PressedMessage | None, context: RequestContext) -> bool:
    """Bring a subscription's message up to date; returns whether it is one.

    Raises UserError for one that is to stay.
    """
    messages = context.services.storage.slack_messages
    told = await messages.find_by_ts(_place(pressed, context), pressed.ts) if pressed and pressed.ts else None
    if told is None:
        return False
    await _check_may_change(told, context)
    await messages.refresh(told.parcel)
    context.services.events.outbox_changed()
    return True


async def is_started_run(pressed: PressedMessage | None, context: RequestContext) -> bool:
    """Whether it is the message that follows a build which somebody has started, and says who it was."""
    if pressed is None or pressed.ts is None:
        return False
    told = await context.services.storage.slack_messages.find_by_ts(_place(pressed, context), pressed.ts)
    return told is not None and told.subject.startswith(f"{MessageKind.LIVE} {RUN} ")


async def is_updatable(pressed: PressedMessage | None, context: RequestContext) -> bool:
    """Whether it is a message that is kept up to date."""
    if pressed is None or pressed.ts is None:
        return False
    return (
        await context.services.storage.slack_messages.find_by_ts(_place(pressed, context), pressed.ts)
        is not None
    )


async def _note(pressed: PressedMessage | None, context: RequestContext, **added: object) -> CardState:
    """Change what people have added to a card; returns what that was before."""
    messages = context.services.storage.slack_messages
    card = await messages.find_by_ts(_place(pressed, context), pressed.ts) if pressed and pressed.ts else None
    if card is None:
        raise UserError("This card is too old to be changed.")
    await _check_may_change(card, context)
    before = CardState.read(card.note)
    await messages.refresh(card.parcel, before.model_copy(update=added).encode())
    context.services.events.outbox_changed()
    return before


async def _check_may_change(told: SlackMessage, context: RequestContext) -> None:
    carried = await context.services.storage.outbox.in_message(told.parcel)
    if carried and all(one.access_lost for one in carried):
        raise UserError(
            "Whoever made this subscription can't see the app any more, so its messages stay as they are. Somebody who"
            " can see the app can press *Tell again* in the list of subscriptions."
        )


def _place(pressed: PressedMessage, context: RequestContext) -> Recipient:
    return Recipient(team=context.team, channel=pressed.channel)
