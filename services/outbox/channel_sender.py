"""Sends a channel's next message, edits a posted one, or checks whether a message arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from domain.message import Message, Recipient, ThreadState
from domain.notification import DeliveredNotification, Notification
from domain.provider import Provider
from messages.provider_presentation import PresentationOf
from services.metrics import Metrics
from services.outbox.channel_locks import ChannelLocks, ChannelLost
from services.outbox.channels import DirectMessages
from services.outbox.delivery import (
    ChannelClosed,
    Delivered,
    Destination,
    MessageGone,
    NotInChannel,
    Outcome,
    OutcomeUnknown,
    Refused,
    RetryLater,
    post,
    update,
)
from services.outbox.lost_channel import stop_subscriptions
from services.outbox.message_key import MessageKind, line_key, read_kind
from services.outbox.planner import FLOOD_WINDOW, OUTAGE_WINDOW, Plan, PlanContext, keys_needed, plan
from services.outbox.progress_edits import ProgressEdits
from services.outbox.rate_limits import EditPaces, MessagePace, RateLimits, Urgency
from services.outbox.reconciliation import Found, Missing, Unreadable, find_posted
from services.outbox.renderer import render
from storage.database import retry_until_stored
from storage.repositories import Repositories
from storage.slack_messages import MessageStatus, NewMessage, SlackMessage

log = structlog.get_logger()

MAX_BATCH = 100
SHORT_PAUSE = 1.0
LONG_PAUSE = 60.0
_ROLLING = (MessageKind.FLOOD, MessageKind.OUTAGE)


class ChannelSender:
    """Performs one step at a time for a channel; every step can be repeated after a kill at any point.

    `pause` waits the given number of seconds, or less if the bot is stopping. `news` returns an event that is set when
    there may be something more urgent for the channel than an edit that waits for its turn. `timer` returns the seconds
    of a monotonic clock. Whoever calls a step has the recipient's lock; nothing is sent to Slack once that is doubtful.
    """

    def __init__(
        self,
        slack: Callable[[str], AsyncWebClient],
        storage: Repositories,
        *,
        counts: Metrics,
        clock: Callable[[], datetime],
        new_key: Callable[[], str],
        limits: RateLimits,
        pause: Callable[[float], Awaitable[None]],
        progress: ProgressEdits,
        news: Callable[[Recipient], asyncio.Event],
        provider_clocks: Mapping[Provider, Callable[[], datetime]],
        presentation_of: PresentationOf,
        locks: ChannelLocks,
        timer: Callable[[], float],
    ) -> None:
        self._timer = timer
        self._locks = locks
        self._slack = slack
        self._storage = storage
        self._counts = counts
        self._clock = clock
        self._new_key = new_key
        self._limits = limits
        self._pause = pause
        self._provider_clocks = provider_clocks
        self._presentation_of = presentation_of
        self._direct_messages = DirectMessages(slack)
        self._call_slots = asyncio.Semaphore(limits.calls)
        self._message_pace = MessagePace()
        self._progress = progress
        self._news = news
        self._edit_paces = EditPaces(storage.budgets)
        # When this process's own calls that post messages have ended, as long as their outcome is unknown.
        self._sent_at: dict[str, float] = {}

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        self._direct_messages.forget(team)
        self._progress.forget(team)
        self._message_pace.forget(team)
        self._edit_paces.forget(team)

    async def send_next(self, to: Recipient, *, acquired_at: float) -> float | None:
        """Perform the recipient's next step; return the seconds to wait before the next one, None if none is left.

        `acquired_at`: since when nobody else has delivered to the recipient, by the monotonic clock.
        Raises ChannelLost.
        """
        news = self._news(to)
        unfinished = await self._storage.slack_messages.unfinished(to)
        for message in unfinished:
            if message.status is MessageStatus.SENDING:
                return await self._reconcile(message, acquired_at)
            if message.status is MessageStatus.OWED and message.content is not None:
                return await self._post(
                    NewMessage(**message.model_dump()), (), Message.decode(message.content)
                )
        due = await self._storage.outbox.due(to, MAX_BATCH, self._clock())
        if due:
            return await self._execute(to, plan(due, await self._plan_context(to, due)))
        for message in unfinished:
            if message.stale > message.stale_excerpts:
                return await self._refresh(message)
        for message in unfinished:
            if message.stale:
                turn = await self._wait_for_turn(to.team, Urgency.EXCERPT, message.sent_at, news)
                return await self._refresh(message, permitted=True) if turn else 0
        if (running := await self._progress.next_of(to)) is not None:
            return await self._edit_progress(to, *running, news)
        return None

    async def is_any_due(self, to: Recipient) -> bool:
        """Return whether there is something to deliver to the recipient, or to settle."""
        return bool(
            await self._storage.slack_messages.unfinished(to)
            or await self._storage.outbox.due(to, 1, self._clock())
        )

    async def _edit_progress(self, to: Recipient, parcel: str, last: datetime, news: asyncio.Event) -> float:
        """Edit a message that shows progress; if that is not possible now, leave it to the next interval."""
        if not await self._wait_for_turn(to.team, Urgency.PROGRESS, last, news):
            return 0
        message = await self._storage.slack_messages.find(parcel)
        if message is None or message.status is not MessageStatus.TOLD:
            self._progress.note_edit(parcel)
            return 0
        return await self._refresh(message, permitted=True)

    async def _wait_for_turn(self, team: str, urgency: Urgency, since: datetime, news: asyncio.Event) -> bool:
        """Wait for an edit's turn; return False if something more urgent may have come first."""
        turn = asyncio.create_task(self._edit_paces.of(team).acquire(urgency, since=since.timestamp()))
        interrupted = asyncio.create_task(news.wait())
        try:
            await asyncio.wait({turn, interrupted}, return_when=asyncio.FIRST_COMPLETED)
            return turn.done()
        finally:
            interrupted.cancel()
            if not turn.done():
                turn.cancel()
            await asyncio.gather(turn, interrupted, return_exceptions=True)

    async def _plan_context(self, to: Recipient, due: Sequence[Notification]) -> PlanContext:
        now, outbox = self._clock(), self._storage.outbox
        messages = await self._storage.slack_messages.newest_about(to, keys_needed(due))
        rolling = [message.parcel for kind in _ROLLING if (message := messages.get(kind.value))]
        return PlanContext(
            now=now,
            limits=self._limits,
            messages=messages,
            build_counts={
                parcel: len({line_key(notification) for notification in await outbox.in_message(parcel)})
                for parcel in rolling
            },
            posted=await outbox.posted_since(to, now - FLOOD_WINDOW),
            failing=frozenset(await outbox.failing_apps(to, now - OUTAGE_WINDOW) if due[0].broke else ()),
        )

    async def _execute(self, to: Recipient, planned: Plan) -> float:
        if planned.until is not None:
            await self._storage.outbox.defer(planned.notifications, planned.until)
            return 0
        if planned.target is not None:
            return await self._add_to_message(planned.target, planned)
        thread = planned.thread
        new = NewMessage(
            parcel=self._new_key(),
            team=to.team,
            channel=to.channel,
            subject=str(planned.subject),
            thread=thread.parcel if thread else None,
        )
        note = self._thread_note(planned) or await self._storage.outbox.run_note(planned.notifications)
        message = self._render(
            planned.subject.kind, planned.notifications or [*_thread_content(planned)], note
        )
        pause = await self._post(
            new,
            planned.notifications,
            message,
            thread=thread,
            broadcast=planned.broadcast,
            note=note,
        )
        if thread is not None and planned.subject.kind in (MessageKind.REPLY, MessageKind.PIPELINE):
            await self._refresh_thread_head(thread, planned.notifications[-1])
        return pause

    async def _post(
        self,
        new: NewMessage,
        notifications: Sequence[Notification],
        message: Message,
        *,
        thread: SlackMessage | None = None,
        broadcast: bool = False,
        note: str | None = None,
    ) -> float:
        """Post one new message; return the seconds to wait before the next try."""
        channel = await self._direct_messages.channel_for(new.recipient)
        if isinstance(channel, RetryLater):
            return channel.seconds
        if isinstance(channel, ChannelClosed):
            await self._storage.outbox.drop(new.recipient, channel.reason)
            return 0
        await self._message_pace.acquire(new.recipient)
        self._locks.check(new.recipient)
        if not await self._storage.outbox.begin(notifications, new, self._clock(), note=note):
            return 0
        destination = Destination(channel, thread.thread_head if thread else new.thread_ts, broadcast)
        async with self._call_slots:
            outcome = await self._call_slack(new, destination, message)
            if isinstance(outcome, Refused):
                log.error("relay.message_refused", channel=channel, reason=outcome.reason)
                plain = Message(text=message.text, blocks=[])
                outcome = await self._call_slack(new, destination, plain)
        if not isinstance(outcome, Delivered):
            # Whoever has the channel now finds out what came of it.
            self._locks.check(new.recipient)
        if isinstance(outcome, MessageGone) and thread is not None:
            log.info("relay.thread_gone", channel=channel, reason=outcome.reason)
            await self._storage.outbox.mark_deleted(thread.parcel, outcome.reason)
            await self._storage.outbox.mark_not_delivered(new.parcel, outcome.reason)
            return 0
        # Slack has answered: its answer must not be lost to an outage of the database, because not every channel can
        # be read back.
        return await retry_until_stored(lambda: self._record_outcome(new, outcome))

    async def _call_slack(self, new: NewMessage, destination: Destination, message: Message) -> Outcome:
        """Post the message once, if the channel's lock is still held. Raises ChannelLost."""
        self._locks.check(new.recipient)
        try:
            return await post(
                self._slack(new.team),
                destination,
                message,
                parcel=new.parcel,
                seconds=self._limits.call,
            )
        finally:
            self._sent_at[new.parcel] = self._timer()

    async def _add_to_message(self, target: SlackMessage, planned: Plan) -> float:
        """Add the planned notifications to a posted message."""
        kind = planned.subject.kind
        if kind in _ROLLING:
            await self._pause(self._limits.rolling)
        if not await self._storage.outbox.join(
            planned.notifications, target.parcel, self._clock(), note=self._thread_note(planned)
        ):
            return 0
        return await self._refresh(target, about=planned.about)

    async def _refresh(
        self, message: SlackMessage, about: Notification | None = None, *, permitted: bool = False
    ) -> float:
        """Update a message with all its notifications; a thread's head with the notification that it is `about`.

        `permitted`: the edit has had its turn already.
        """
        self._progress.note_edit(message.parcel)
        # The change count is read before the content: a change in between causes another refresh.
        current = await self._storage.slack_messages.find(message.parcel) or message
        if current.content is not None and current.ts is not None:
            return await self._edit(current, Message.decode(current.content), permitted=permitted)
        kind, outbox = read_kind(current.subject), self._storage.outbox
        read_notifications = outbox.last_reply if kind is MessageKind.THREAD else outbox.in_message
        notifications = [about] if about is not None else await read_notifications(current.parcel)
        # A message about an app that the channel may no longer see stays as it is. A message for several
        # subscriptions is still updated for the others.
        if current.ts is None or all(notification.access_lost for notification in notifications):
            await outbox.mark_delivered(
                current.parcel, current.ts or "", stale=current.stale, stale_excerpts=current.stale_excerpts
            )
            return 0
        return await self._edit(current, self._render(kind, notifications, current.note), permitted=permitted)

    async def _refresh_thread_head(self, head: SlackMessage, newest: Notification) -> None:
        """Mark a thread's head for an update to the newest reply's build, once nothing more urgent is left."""
        if ThreadState.read(head.note).build != newest.build.slug:
            await self._storage.slack_messages.refresh(head.parcel)

    def _thread_note(self, planned: Plan) -> str | None:
        if planned.about is None:
            return None
        return ThreadState(build=planned.about.build.slug, shown_at=self._clock()).encode()

    async def _edit(self, posted: SlackMessage, message: Message, *, permitted: bool) -> float:
        if not permitted:
            await self._edit_paces.of(posted.team).acquire(Urgency.STATE)
        messages = self._storage.slack_messages
        if (left := await self._settle_edit(posted)) > 0:
            return left
        async with self._call_slots:
            slack, channel = self._slack(posted.team), await self._channel_of(posted)
            if not self._locks.is_alone:
                await messages.begin_edit(posted.parcel)
            self._locks.check(posted.recipient)
            outcome = await update(slack, channel, posted.ts or "", message, seconds=self._limits.call)
        try:
            return await self._record_edit(posted, outcome)
        except ChannelLost:
            # Another bot may have edited it meanwhile, and this edit have come after that one.
            await retry_until_stored(lambda: messages.refresh(posted.parcel))
            raise

    async def _settle_edit(self, posted: SlackMessage) -> float:
        """Wait until an edit that another bot has begun, and not ended, can't arrive any more: it would undo this one.

        Returns the seconds that are still left, if the bot is stopping.
        """
        if posted.edit_begun_at is None:
            return 0
        seconds_since = partial(self._storage.slack_messages.seconds_since, posted.edit_begun_at)
        await self._pause(max(self._limits.takeover - await seconds_since(), 0))
        return self._limits.takeover - await seconds_since()

    async def _record_edit(self, posted: SlackMessage, outcome: Outcome) -> float:
        """Store what has become of an edit. Raises ChannelLost if another bot may have edited the message meanwhile."""
        self._locks.check(posted.recipient)
        match outcome:
            case Delivered(_):
                delivered = await self._storage.outbox.mark_delivered(
                    posted.parcel,
                    posted.ts or "",
                    stale=posted.stale,
                    stale_excerpts=posted.stale_excerpts,
                    # While this waited for the database, the channel may have got lost.
                    check=partial(self._locks.check, posted.recipient),
                )
                if delivered:
                    # A notification that was added may be about a running build.
                    self._progress.message_posted()
                self._count_delivered(delivered)
                return 0
            case MessageGone(reason) | Refused(reason) | ChannelClosed(reason):
                # Notifications not yet shown are posted in a new message, which also finds out whether the channel is
                # closed. Those shown before count as delivered.
                log.info("relay.message_gone", channel=posted.channel, reason=reason)
                await self._storage.outbox.mark_deleted(posted.parcel, reason)
                return 0
            case NotInChannel(reason):
                return _report_invalid_installation(reason)
            case RetryLater(seconds, reason):
                log.info("relay.later", channel=posted.channel, seconds=seconds, reason=reason)
                if not self._locks.is_alone:
                    await self._storage.slack_messages.end_edit(posted.parcel)
                if reason == "ratelimited":
                    # Slack limits edits per workspace, not per channel.
                    self._edit_paces.of(posted.team).hold(seconds)
                return seconds
            case OutcomeUnknown(_):
                return SHORT_PAUSE

    async def _record_outcome(self, new: NewMessage, outcome: Outcome) -> float:
        outbox = self._storage.outbox
        if not isinstance(outcome, OutcomeUnknown):
            self._sent_at.pop(new.parcel, None)
        match outcome:
            case Delivered(ts):
                self._count_delivered(await outbox.mark_delivered(new.parcel, ts))
                self._progress.message_posted()
                return 0
            case RetryLater(seconds, reason):
                await outbox.mark_not_delivered(new.parcel, reason)
                log.info("relay.later", channel=new.channel, seconds=seconds, reason=reason)
                return seconds
            case OutcomeUnknown(reason):
                log.warning("relay.in_doubt", channel=new.channel, reason=reason)
                return SHORT_PAUSE
            case NotInChannel(reason):
                await outbox.mark_not_delivered(new.parcel, reason)
                return _report_invalid_installation(reason)
            case Refused(reason) | MessageGone(reason):
                dropped = await outbox.mark_refused(new.parcel, reason)
                self._counts.count_dropped(dropped)
                # A thread's head carries no notifications; without the pause it would be retried at once, for ever.
                return 0 if dropped or new.content else LONG_PAUSE
            case ChannelClosed(reason) if await outbox.move_runs(new.recipient, new.parcel, reason):
                log.info("relay.run_elsewhere", channel=new.channel, reason=reason)
                return 0
            case ChannelClosed(reason):
                await stop_subscriptions(
                    self._storage,
                    new.recipient,
                    reason,
                    self._clock(),
                    self._counts,
                    self._presentation_of,
                )
                return 0

    async def _reconcile(self, message: SlackMessage, acquired_at: float) -> float:
        """Check whether a message was posted although Slack's response was lost, in this process or another one."""
        # A monotonic clock can't be set back. Another process may have sent its message until this one has taken the
        # channel over, so a message that this one has not sent counts from then; a call of another bot that still runs
        # may even end later.
        sent = self._sent_at.get(message.parcel)
        if sent is not None or self._locks.is_alone:
            settled_at = (acquired_at if sent is None else sent) + self._limits.settling
        else:
            settled_at = acquired_at + self._limits.takeover
        await self._pause(max(settled_at - self._timer(), 0))
        current = await self._storage.slack_messages.find(message.parcel)
        if current is None or current.status is not MessageStatus.SENDING:
            return 0  # the other bot has stored the outcome meanwhile
        parent = await self._storage.slack_messages.find(message.thread) if message.thread else None
        destination = Destination(
            await self._channel_of(message), parent.thread_head if parent else message.thread_ts
        )
        after = await self._storage.slack_messages.newest_ts(message.recipient)
        result = await find_posted(self._slack(message.team), destination, message.parcel, after=after)
        if not isinstance(result, Found):
            # Whoever has the channel now may have posted it again meanwhile.
            self._locks.check(message.recipient)
        match result:
            case Found(ts):
                self._counts.count_unknown_outcome("found")
                self._count_delivered(await self._storage.outbox.mark_delivered(message.parcel, ts))
                self._progress.message_posted()
            case Missing():
                self._counts.count_unknown_outcome("missing")
                await self._storage.outbox.mark_not_delivered(
                    message.parcel, "not in the channel after a lost answer"
                )
            case Unreadable(reason):
                self._counts.count_unknown_outcome("unreadable")
                log.warning("relay.told_again", channel=message.channel, reason=reason)
                await self._storage.outbox.mark_not_delivered(message.parcel, f"can't be read back: {reason}")
            case RetryLater(seconds, reason):
                log.info("relay.settle_later", channel=message.channel, seconds=seconds, reason=reason)
                return seconds
        self._sent_at.pop(message.parcel, None)
        return 0

    def _count_delivered(self, delivered: Sequence[DeliveredNotification]) -> None:
        """Count the notifications that Slack has accepted, and record how long each took."""
        self._counts.count_delivered(len(delivered))
        for notification in delivered:
            lag = notification.lag(self._clock(), self._clock_at(notification.provider)())
            if lag is not None:
                self._counts.record_lag(lag.total_seconds())

    async def _channel_of(self, message: SlackMessage) -> str:
        channel = await self._direct_messages.channel_for(message.recipient)
        return channel if isinstance(channel, str) else message.channel

    def _render(
        self, kind: MessageKind | None, notifications: Sequence[Notification], note: str | None = None
    ) -> Message:
        # A build's duration is measured by its provider's clock, a card's snooze by ours.
        clock = self._clock if kind is MessageKind.CARD else self._clock_at(notifications[-1].build.provider)
        return render(
            kind,
            notifications,
            now=clock(),
            flood_limit=self._limits.flood,
            presentation_of=self._presentation_of,
            note=note,
        )

    def _clock_at(self, provider: Provider) -> Callable[[], datetime]:
        return self._provider_clocks.get(provider, self._clock)


def _thread_content(planned: Plan) -> Sequence[Notification]:
    return [planned.about] if planned.about is not None else []


def _report_invalid_installation(reason: str) -> float:
    log.error("relay.not_let_in", reason=reason, cure="`buildbell doctor` tries the tokens")
    return LONG_PAUSE
