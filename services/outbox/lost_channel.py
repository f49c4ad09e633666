"""A channel that can't be told any more: its subscriptions stop, and whoever made them hears of it once."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import structlog

from domain.audit_log import ERASED
from domain.recipient import Recipient
from domain.subscription import Subscription
from messages import subscriptions as message_subscriptions
from messages.provider_presentation import PresentationOf
from services.outbox.delivery_metrics import DeliveryMetrics
from services.outbox.message_key import MessageKey, MessageKind
from storage.repositories import Repositories

log = structlog.get_logger()


async def stop_subscriptions(
    storage: Repositories,
    to: Recipient,
    reason: str,
    at: datetime,
    counts: DeliveryMetrics,
    presentation_of: PresentationOf,
) -> None:
    """Stop the channel's subscriptions, drop what it was owed, and owe each of their makers a word."""
    await storage.outbox.move_runs(to, "", reason)
    channel, subscriptions = to.channel, storage.of(to.team).subscriptions
    running = [one for one in await subscriptions.of_channel(channel) if one.stopped is None]
    by_maker: dict[str, list[Subscription]] = defaultdict(list)
    for one in running:
        if one.created_by != ERASED:
            by_maker[one.created_by].append(one)
    for maker, theirs in by_maker.items():
        if channel.startswith("D"):
            break  # a direct message that can't be told is no place to say so
        message = message_subscriptions.subscriptions_stopped(
            channel, reason, [(one.app, one.terms) for one in theirs], presentation_of
        )
        # Named after what it is about, so that a crash between this and the stopping owes it no second time.
        numbers = "-".join(str(one.id) for one in theirs)
        parcel = f"stopped-{channel}-{numbers}-{at:%Y%m%d}"
        maker_to = Recipient(team=to.team, channel=maker)
        await storage.slack_messages.enqueue(
            parcel, maker_to, str(MessageKey(kind=MessageKind.NOTICE)), message.encode(), at
        )
    stopped = await subscriptions.stop(channel, reason, at)
    dropped = await storage.outbox.drop(to, reason)
    counts.count_dropped(dropped)
    log.warning("relay.channel_closed", channel=channel, reason=reason, stopped=len(stopped), dropped=dropped)
