"""Stops the subscriptions of a channel that can no longer be posted in, and notifies their creators once."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import structlog

from domain.audit_chain import ERASED
from domain.message import Recipient
from domain.subscription import Subscription
from messages import subscriptions as message_subscriptions
from messages.provider_presentation import PresentationOf
from services.metrics import Metrics
from services.outbox.message_key import MessageKey, MessageKind
from storage.repositories import Repositories

log = structlog.get_logger()


async def stop_subscriptions(
    storage: Repositories,
    to: Recipient,
    reason: str,
    at: datetime,
    counts: Metrics,
    presentation_of: PresentationOf,
) -> None:
    """Stop the channel's subscriptions, drop its notifications, and enqueue a notice to each creator."""
    await storage.outbox.move_runs(to, "", reason)
    channel, subscriptions = to.channel, storage.of(to.team).subscriptions
    running = [
        subscription
        for subscription in await subscriptions.of_channel(channel)
        if subscription.stopped is None
    ]
    by_creator: dict[str, list[Subscription]] = defaultdict(list)
    for subscription in running:
        if subscription.created_by != ERASED:
            by_creator[subscription.created_by].append(subscription)
    for creator, created in by_creator.items():
        if channel.startswith("D"):
            break  # the notice would go to the same direct message, which can't be posted in
        message = message_subscriptions.subscriptions_stopped(
            channel,
            reason,
            [(subscription.app, subscription.terms) for subscription in created],
            presentation_of,
        )
        # The key is derived from the content, so that a crash before the stop does not enqueue the notice twice.
        numbers = "-".join(str(subscription.id) for subscription in created)
        parcel = f"stopped-{channel}-{numbers}-{at:%Y%m%d}"
        creator_recipient = Recipient(team=to.team, channel=creator)
        await storage.slack_messages.enqueue(
            parcel, creator_recipient, str(MessageKey(kind=MessageKind.NOTICE)), message.encode(), at
        )
    stopped = await subscriptions.stop(channel, reason, at)
    dropped = await storage.outbox.drop(to, reason)
    counts.count_dropped(dropped)
    log.warning("relay.channel_closed", channel=channel, reason=reason, stopped=len(stopped), dropped=dropped)
