"""Delivers notifications to Slack: each channel independently and in order, none lost, none twice."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from domain.message import Recipient
from domain.provider import Provider
from domain.unit import Unit
from messages.provider_presentation import PresentationOf
from services.jobs.background_job import BackgroundJob
from services.jobs.schedule import seconds_until
from services.metrics import Metrics
from services.outbox.channel_locks import ChannelLocks, ChannelLost
from services.outbox.channel_sender import LONG_PAUSE, ChannelSender
from services.outbox.progress_edits import ProgressEdits
from services.outbox.rate_limits import RateLimits
from storage.database import AGAIN_SECONDS, DatabaseUnavailable
from storage.repositories import Repositories
from storage.session_locks import SessionLocks

log = structlog.get_logger()

DEFAULT_LIMITS = RateLimits()
# The notice that a bot was woken for a channel to which another one delivers; its payload is the recipient's key.
NEWS = "news"
# When to look again for channels that were left to other bots.
SHARE_SECONDS = 1.0


class Dispatcher(BackgroundJob):
    """Delivers the outbox's notifications; each key is a channel, and the empty one looks for channels with any."""

    name = "dispatcher"
    unit = Unit.DELIVER
    key = None

    def __init__(
        self,
        slack: Callable[[str], AsyncWebClient],
        storage: Repositories,
        *,
        counts: Metrics,
        clock: Callable[[], datetime],
        new_key: Callable[[], str],
        presentation_of: PresentationOf,
        limits: RateLimits = DEFAULT_LIMITS,
        is_current: Callable[[Provider], bool] = lambda _provider: True,
        provider_clocks: Mapping[Provider, Callable[[], datetime]] = MappingProxyType({}),
        locks: SessionLocks | None = None,
        timer: Callable[[], float] = time.monotonic,
        choose: Callable[[Sequence[Recipient], int], Sequence[Recipient]] = random.sample,
    ) -> None:
        super().__init__()
        self._limits = limits
        self._choose = choose
        self._locks = ChannelLocks(locks or storage.database.session_locks)
        self._storage = storage
        self._clock = clock
        self._progress = ProgressEdits(
            storage,
            clock=clock,
            every=limits.progress,
            is_current=is_current,
            clock_at=lambda provider: provider_clocks.get(provider, clock),
        )
        self._sender = ChannelSender(
            slack,
            storage,
            counts=counts,
            clock=clock,
            new_key=new_key,
            limits=limits,
            pause=self.pause,
            progress=self._progress,
            news=lambda to: self._news[to],
            provider_clocks=provider_clocks,
            presentation_of=presentation_of,
            locks=self._locks,
            timer=timer,
        )
        # The channels to which something is being delivered, each with an event that is set when there is news for it.
        self._news: dict[Recipient, asyncio.Event] = {}
        # Channels that were woken, and to which no delivery has begun since.
        self._woken_channels: set[Recipient] = set()
        storage.database.listen(NEWS, self._hear_news, of_others=True)

    def wake(self, key: str | None = None, *, at: datetime | None = None) -> None:
        """Look for something new to deliver as soon as possible, before edits that wait for their turn."""
        super().wake(key, at=at)
        if key and at is None:
            self._woken_channels.add(to := Recipient.of_key(key))
            self._interrupt(to)

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled, and its notifications are already deleted."""
        self._sender.forget(team)

    def stop(self) -> None:
        """End `run` once the calls to Slack in progress have finished."""
        super().stop()
        for to in self._news:
            self._interrupt(to)

    def _interrupt(self, to: Recipient) -> None:
        """Interrupt an edit that waits for its turn, so that its channel checks for something more urgent."""
        if to in self._news:
            self._news[to].set()
            self._news[to] = asyncio.Event()

    async def run_for(self, key: str) -> float | None:
        """Deliver to the channel, or look for channels to which something is due."""
        if not key:
            return await self.run_once()
        return await self._deliver_and_log(Recipient.of_key(key))

    async def run_once(self) -> float | None:
        """Wake all channels to which something is due, until the next message, edit or snooze is due."""
        snooze_ends = await self._storage.slack_messages.end_snoozes(self._clock())
        recipients = await self._storage.outbox.recipients(self._clock())
        found = dict.fromkeys([*recipients, *await self._progress.recipients()])
        chosen = self._share(found)
        for to in chosen:
            super().wake(to.key)  # an edit that waits for its turn goes on waiting: this may be nothing new
        due_times = (await self._storage.outbox.next_due(self._clock()), self._progress.next_at, snooze_ends)
        seconds = seconds_until(
            min((time for time in due_times if time is not None), default=None), self._clock()
        )
        return seconds if len(chosen) == len(found) else min(seconds or SHARE_SECONDS, SHARE_SECONDS)

    def _share(self, found: Collection[Recipient]) -> Collection[Recipient]:
        """Return the channels to deliver to now, if other bots can deliver to some of them, too.

        A bot that took all channels of a backlog would leave the others without work, although it can't call Slack for
        all of them at a time. Most are woken by a job of their own besides.
        """
        if self._locks.is_alone or len(found) <= self._limits.calls:
            return found
        mine = [to for to in found if to in self._news]
        others = [to for to in found if to not in self._news]
        return [*mine, *self._choose(others, min(self._limits.calls, len(others)))]

    async def _deliver_and_log(self, to: Recipient) -> float | None:
        """Deliver to the recipient; return the seconds until that is tried again, None if nothing is left to do."""
        again = None
        try:
            await self.deliver(to)
        except (DatabaseUnavailable, ChannelLost):
            again = AGAIN_SECONDS
        except Exception:
            # An error in one channel must not end the others' deliveries; it is tried again.
            log.exception("relay.broken", team=to.team, channel=to.channel)
            await self.pause(LONG_PAUSE)
        # Running builds in what was posted are edited from now on, before anything else wakes the job.
        if (next_edit := self._progress.next_at) is not None:
            self.wake("", at=next_edit)
        return again

    async def deliver(self, to: Recipient) -> None:
        """Deliver everything due to one recipient, unless another bot does; safe to start again at any point.

        Raises ChannelLost if another bot may have taken the channel over, and DatabaseUnavailable.
        """
        has_news = to in self._woken_channels
        self._woken_channels.discard(to)
        while (acquired_at := await self._locks.acquire(to)) is not None:
            self._news[to] = asyncio.Event()
            try:
                await self._deliver(to, acquired_at)
            finally:
                del self._news[to]
                await self._locks.release(to)
            # Another bot may have found the channel taken since this one has looked for the last time. Within a bot, a
            # wake lets the job run once more.
            if self._locks.is_alone or not await self._sender.is_any_due(to):
                return
            if self._stopping.is_set():
                await self._storage.database.wake(Unit.DELIVER, [to.key])  # for another bot
                return
        if has_news:
            await self._storage.database.write(lambda db: db.notify(NEWS, to.key))

    def _hear_news(self, key: str | None) -> None:
        """Look for something more urgent than an edit that waits, if another bot was woken for the channel."""
        if key is not None:
            self._interrupt(Recipient.of_key(key))

    async def _deliver(self, to: Recipient, acquired_at: float) -> None:
        attempts = 0
        while (
            not self._stopping.is_set()
            and (pause := await self._sender.send_next(to, acquired_at=acquired_at)) is not None
        ):
            attempts = attempts + 1 if pause else 0
            if pause:
                await self.pause(min(pause * 2 ** min(attempts - 1, 6), max(pause, LONG_PAUSE)))
