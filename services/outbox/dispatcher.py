"""Delivers notifications to Slack: each channel independently and in order, none lost, none twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from domain.provider import Provider
from domain.recipient import Recipient
from messages.provider_presentation import PresentationOf
from services.outbox.channel_sender import LONG_PAUSE, ChannelSender
from services.outbox.delivery_metrics import DeliveryMetrics
from services.outbox.progress_edits import ProgressEdits
from services.outbox.rate_limits import RateLimits
from storage.repositories import Repositories

log = structlog.get_logger()

DEFAULT_LIMITS = RateLimits()


class Dispatcher:
    """Delivers the outbox's notifications, with one task for each channel that has any."""

    def __init__(
        self,
        slack: Callable[[str], AsyncWebClient],
        storage: Repositories,
        *,
        counts: DeliveryMetrics,
        clock: Callable[[], datetime],
        new_key: Callable[[], str],
        presentation_of: PresentationOf,
        limits: RateLimits = DEFAULT_LIMITS,
        is_current: Callable[[Provider], bool] = lambda _provider: True,
        provider_clocks: Mapping[Provider, Callable[[], datetime]] = MappingProxyType({}),
    ) -> None:
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
            pause=self._pause,
            progress=self._progress,
            news=lambda: self._news,
            provider_clocks=provider_clocks,
            presentation_of=presentation_of,
        )
        self._news = asyncio.Event()
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._snooze_ends: datetime | None = None
        self._under_way: dict[Recipient, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Signal that the outbox may have something new."""
        self._wake.set()
        self._interrupt()

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled, and its notifications are already deleted."""
        self._sender.forget(team)

    def stop(self) -> None:
        """End `run` once the calls to Slack in progress have finished."""
        self._stopping.set()
        self._wake.set()
        self._interrupt()

    def _interrupt(self) -> None:
        """Interrupt edits that wait for their turn, so that their channels check for something more urgent."""
        self._news.set()
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Deliver until stopped, beginning with what an earlier process left."""
        while not self._stopping.is_set():
            self._wake.clear()
            self._snooze_ends = await self._storage.slack_messages.end_snoozes(self._clock())
            recipients = await self._storage.outbox.recipients(self._clock())
            for to in dict.fromkeys([*recipients, *await self._progress.recipients()]):
                if to not in self._under_way:
                    self._under_way[to] = asyncio.create_task(self._deliver_and_log(to))
            await self._wait_for_work()
        await asyncio.gather(*self._under_way.values())

    async def _wait_for_work(self) -> None:
        """Return when woken, or when a scheduled notification, edit or snooze is due."""
        next_due = await self._storage.outbox.next_due(self._clock())
        due_times = (next_due, self._progress.next_at, self._snooze_ends)
        due = min((time for time in due_times if time is not None), default=None)
        seconds = max((due - self._clock()).total_seconds(), 0.0) if due else None
        try:
            # A minute at most: the system clock may be changed.
            async with asyncio.timeout(None if seconds is None else min(seconds + 0.01, LONG_PAUSE)):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _deliver_and_log(self, to: Recipient) -> None:
        try:
            await self.deliver(to)
        except Exception:
            # An error in one channel must not end the others' deliveries; it is tried again.
            log.exception("relay.broken", team=to.team, channel=to.channel)
            await self._pause(LONG_PAUSE)
        finally:
            del self._under_way[to]
            self._wake.set()

    async def deliver(self, to: Recipient) -> None:
        """Deliver everything due to one recipient; safe to start again at any point."""
        attempts = 0
        while not self._stopping.is_set() and (pause := await self._sender.send_next(to)) is not None:
            attempts = attempts + 1 if pause else 0
            if pause:
                await self._pause(min(pause * 2 ** min(attempts - 1, 6), max(pause, LONG_PAUSE)))

    async def _pause(self, seconds: float) -> None:
        """Wait, or return early if the bot is stopping."""
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
