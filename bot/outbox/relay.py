"""Carries notifications to Slack: each channel by itself and in order, none lost, none twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from aiolimiter import AsyncLimiter
from slack_sdk.web.async_client import AsyncWebClient

from bot.messages import Message
from bot.outbox.delivery import ChannelClosed, InDoubt, Later, NotLetIn, Outcome, Refused, Told, post
from bot.outbox.readback import Found, Missing, Unreadable, look_back
from storage import Notification, Status, Storage

log = structlog.get_logger()

# A backlog larger or older than this arrives as one message with links.
BACKLOG = 10
BACKLOG_AGE = timedelta(hours=1)
DIGEST_SIZE = 20
# One message a second a channel, short bursts pass (Slack's rules, "Pace").
BURST = 4
# A message may still turn up for this long after its answer was lost.
SETTLING = timedelta(seconds=5)
SHORT_PAUSE = 1.0
LONG_PAUSE = 60.0
CHANNELS_AT_ONCE = 50


class Counts(Protocol):
    """What the relay counts."""

    def told(self, notifications: int) -> None:
        """Slack has taken a message that carries so many notifications."""

    def doubted(self, outcome: str) -> None:
        """A lost answer was settled: found, missing, or unreadable (then told again rather than never)."""

    def dropped(self, notifications: int) -> None:
        """So many notifications were given up, because their channel can't be told."""


class Relay:
    """Delivers what the outbox owes."""

    def __init__(
        self,
        slack: AsyncWebClient,
        storage: Storage,
        *,
        render: Callable[[Sequence[Notification]], Message],
        counts: Counts,
        clock: Callable[[], datetime],
        new_key: Callable[[], str],
    ) -> None:
        self._slack = slack
        self._storage = storage
        self._render = render
        self._counts = counts
        self._clock = clock
        self._new_key = new_key
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._places = asyncio.Semaphore(CHANNELS_AT_ONCE)
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._paces: dict[str, AsyncLimiter] = {}

    def wake(self) -> None:
        """Say that the outbox may owe something new."""
        self._wake.set()

    def stop(self) -> None:
        """End `run` once what is being handed to Slack has its answer."""
        self._stopping.set()
        self._wake.set()

    async def run(self) -> None:
        """Deliver until stopped, whatever was left from before first."""
        while not self._stopping.is_set():
            self._wake.clear()
            for channel in await self._storage.outbox.channels():
                if channel not in self._under_way:
                    self._under_way[channel] = asyncio.create_task(self._see_to(channel))
            await self._wake.wait()
        await asyncio.gather(*self._under_way.values())

    async def _see_to(self, channel: str) -> None:
        try:
            async with self._places:
                await self.deliver(channel)
        except Exception:
            # One channel's trouble must not end the others' deliveries; it is taken up again.
            log.exception("relay.broken", channel=channel)
            await self._pause(LONG_PAUSE)
        finally:
            del self._under_way[channel]
            self._wake.set()

    async def deliver(self, channel: str) -> None:
        """Deliver all that one channel is owed; safe to begin again at any point."""
        attempts = 0
        while not self._stopping.is_set() and (due := await self._storage.outbox.due(channel, DIGEST_SIZE)):
            if due[0].status is Status.SENDING:
                pause = await self._settle([one for one in due if one.parcel == due[0].parcel])
            else:
                owed = [one for one in due if one.status is Status.OWED]
                pause = await self._hand_over(channel, owed if self._is_backlog(owed) else owed[:1])
            attempts = attempts + 1 if pause else 0
            if pause:
                await self._pause(min(pause * 2 ** min(attempts - 1, 6), max(pause, LONG_PAUSE)))

    def _is_backlog(self, owed: Sequence[Notification]) -> bool:
        oldest_age = self._clock() - owed[0].created_at
        return len(owed) > BACKLOG or (len(owed) > 1 and oldest_age > BACKLOG_AGE)

    async def _hand_over(self, channel: str, carried: Sequence[Notification]) -> float:
        """Post one message that carries the notifications; returns the seconds to wait before the next try."""
        await self._paces.setdefault(channel, AsyncLimiter(BURST, BURST)).acquire()
        parcel = self._new_key()
        message = self._render(carried)
        await self._storage.outbox.begin(carried, parcel, self._clock())
        outcome = await post(self._slack, channel, message, parcel=parcel)
        if isinstance(outcome, Refused):
            log.error("relay.message_refused", channel=channel, reason=outcome.reason)
            plain = Message(text=message.text, blocks=[])
            outcome = await post(self._slack, channel, plain, parcel=parcel)
        return await self._conclude(channel, parcel, len(carried), outcome)

    async def _conclude(self, channel: str, parcel: str, carried: int, outcome: Outcome) -> float:
        outbox = self._storage.outbox
        match outcome:
            case Told(ts):
                await outbox.told(parcel, ts)
                self._counts.told(carried)
                return 0
            case Later(seconds, reason):
                await outbox.not_told(parcel, reason)
                log.info("relay.later", channel=channel, seconds=seconds, reason=reason)
                return seconds
            case InDoubt(reason):
                log.warning("relay.in_doubt", channel=channel, reason=reason)
                return SHORT_PAUSE
            case NotLetIn(reason):
                await outbox.not_told(parcel, reason)
                log.error(
                    "relay.not_let_in", reason=reason, cure="check SLACK_BOT_TOKEN with `buildbell doctor`"
                )
                return LONG_PAUSE
            case Refused(reason):
                await outbox.refused(parcel, reason)
                self._counts.dropped(carried)
                return 0
            case ChannelClosed(reason):
                await self._give_up(channel, reason)
                return 0

    async def _give_up(self, channel: str, reason: str) -> None:
        stopped = await self._storage.subscriptions.stop(channel, reason, self._clock())
        dropped = await self._storage.outbox.drop(channel, reason)
        self._counts.dropped(dropped)
        log.warning(
            "relay.channel_closed", channel=channel, reason=reason, stopped=len(stopped), dropped=dropped
        )

    async def _settle(self, carried: Sequence[Notification]) -> float:
        """Find out whether Slack has a message whose answer was lost, by this process or the one before it."""
        first = carried[0]
        channel, parcel, sent_at = first.channel, first.parcel or "", first.sent_at or first.created_at
        age = self._clock() - sent_at
        if timedelta(0) <= age < SETTLING:
            await self._pause((SETTLING - age).total_seconds())
        match await look_back(self._slack, channel, parcel, since=sent_at):
            case Found(ts):
                self._counts.doubted("found")
                await self._storage.outbox.told(parcel, ts)
                self._counts.told(len(carried))
            case Missing():
                self._counts.doubted("missing")
                await self._storage.outbox.not_told(parcel, "not in the channel after a lost answer")
            case Unreadable(reason):
                self._counts.doubted("unreadable")
                log.warning("relay.told_again", channel=channel, reason=reason)
                await self._storage.outbox.not_told(parcel, f"can't be read back: {reason}")
            case Later(seconds, reason):
                log.info("relay.settle_later", channel=channel, seconds=seconds, reason=reason)
                return seconds
        return 0

    async def _pause(self, seconds: float) -> None:
        """Wait, but not when the bot is to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
