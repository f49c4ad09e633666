"""Delivers notifications to Slack: each channel independently and in order, none lost, none twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from domain.message import Recipient
from domain.provider import Provider
from messages.provider_presentation import PresentationOf
from services.events import BuildsChanged, OutboxChanged
from services.jobs.background_job import BackgroundJob, seconds_until
from services.metrics import Metrics
from services.outbox.channel_sender import LONG_PAUSE, ChannelSender
from services.outbox.progress_edits import ProgressEdits
from services.outbox.rate_limits import RateLimits
from storage.repositories import Repositories

log = structlog.get_logger()

DEFAULT_LIMITS = RateLimits()


class Dispatcher(BackgroundJob):
    """Delivers the outbox's notifications, with one task for each channel that has any."""

    name = "dispatcher"
    woken_by = (OutboxChanged, BuildsChanged)

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
    ) -> None:
        super().__init__()
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
            news=lambda: self._news,
            provider_clocks=provider_clocks,
            presentation_of=presentation_of,
        )
        self._news = asyncio.Event()
        self._under_way: dict[Recipient, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Look for something new in the outbox as soon as possible, before edits that wait for their turn."""
        super().wake()
        self._interrupt()

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled, and its notifications are already deleted."""
        self._sender.forget(team)

    def stop(self) -> None:
        """End `run` once the calls to Slack in progress have finished."""
        super().stop()
        self._interrupt()

    def _interrupt(self) -> None:
        """Interrupt edits that wait for their turn, so that their channels check for something more urgent."""
        self._news.set()
        self._news = asyncio.Event()

    async def run_once(self) -> float | None:
        """Deliver what is due, at first what an earlier process left, until the next message, edit or snooze is due."""
        snooze_ends = await self._storage.slack_messages.end_snoozes(self._clock())
        recipients = await self._storage.outbox.recipients(self._clock())
        for to in dict.fromkeys([*recipients, *await self._progress.recipients()]):
            if to not in self._under_way:
                self._under_way[to] = asyncio.create_task(self._deliver_and_log(to))
        due_times = (await self._storage.outbox.next_due(self._clock()), self._progress.next_at, snooze_ends)
        return seconds_until(
            min((time for time in due_times if time is not None), default=None), self._clock()
        )

    async def finish(self) -> None:
        """Wait for the calls to Slack in progress."""
        await asyncio.gather(*self._under_way.values())

    async def _deliver_and_log(self, to: Recipient) -> None:
        try:
            await self.deliver(to)
        except Exception:
            # An error in one channel must not end the others' deliveries; it is tried again.
            log.exception("relay.broken", team=to.team, channel=to.channel)
            await self.pause(LONG_PAUSE)
        finally:
            del self._under_way[to]
            self._woken.set()

    async def deliver(self, to: Recipient) -> None:
        """Deliver everything due to one recipient; safe to start again at any point."""
        attempts = 0
        while not self._stopping.is_set() and (pause := await self._sender.send_next(to)) is not None:
            attempts = attempts + 1 if pause else 0
            if pause:
                await self.pause(min(pause * 2 ** min(attempts - 1, 6), max(pause, LONG_PAUSE)))
