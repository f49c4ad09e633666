"""When to look: quickly while something runs, slowly at rest, patiently when the provider fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from domain.errors import InvalidToken, ProviderError, RateLimited
from services.polling.poll import PollOutcome

log = structlog.get_logger()

LONGEST_PAUSE = timedelta(minutes=5)
# After so many failures in a row the provider is not looked at but only probed, until a probe succeeds.
CIRCUIT_OPENS_AFTER = 5
OUTAGE_AFTER = 3
# However often somebody asks for a look, or a webhook calls.
SHORTEST_PAUSE = 0.2


@dataclass(frozen=True)
class Intervals:
    """Seconds between two looks: at rest, and while a build runs."""

    rest: float
    active: float


@dataclass(frozen=True)
class Outage:
    """The provider could not be looked at: since when (None: since the start), and the last reason."""

    since: datetime | None
    reason: str


class Poller:
    """Looks again and again, and wakes whoever carries what a look found.

    `last_success` and `failures` (in a row) say how it fares.
    """

    def __init__(
        self,
        poll: Callable[[], Awaitable[PollOutcome]],
        *,
        intervals: Intervals,
        on_update: Callable[[], None],
        clock: Callable[[], datetime],
        randomness: random.Random,
        probe: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._look = poll
        self._probe = probe
        self._intervals = intervals
        self._found = on_update
        self._clock = clock
        self._randomness = randomness
        self._now_please = asyncio.Event()
        self._stopping = asyncio.Event()
        self._not_before: datetime | None = None
        self.last_success: datetime | None = None
        self.failures = 0
        self._reason = ""

    @property
    def outage(self) -> Outage | None:
        """Why nothing can be seen at the moment; None while looks succeed, or have failed only just now."""
        if self.failures < OUTAGE_AFTER:
            return None
        return Outage(self.last_success, self._reason)

    @property
    def is_circuit_open(self) -> bool:
        """Whether the circuit is open: the provider failed so often that it is only probed."""
        return self.failures >= CIRCUIT_OPENS_AFTER

    def poll_now(self) -> None:
        """Look as soon as the provider allows, instead of at the next interval's end."""
        self._now_please.set()

    async def run(self) -> None:
        """Look until stopped; a look that fails is tried again later, and no failure ends the watching."""
        while not self._stopping.is_set():
            self._now_please.clear()
            pause = await self._poll_once()
            try:
                async with asyncio.timeout(pause):
                    await self._wait_for_request()
            except TimeoutError:
                continue

    def stop(self) -> None:
        """End `run` once the look under way is over."""
        self._stopping.set()
        self._not_before = None
        self._now_please.set()

    async def _poll_once(self) -> float:
        """Look; returns the seconds to wait before the next look."""
        try:
            if self.is_circuit_open and self._probe is not None:
                # One small request, asked once: a provider that is down is not helped by more.
                await self._probe()
                log.info("watch.recovered", failures=self.failures)
            seen = await self._look()
        except RateLimited as limit:
            self.failures += 1
            self._reason = str(limit)
            self._not_before = limit.until or self._clock() + timedelta(seconds=self._intervals.rest)
            log.warning("watch.rate_limited", until=self._not_before.isoformat())
            self._found()
            return max((self._not_before - self._clock()).total_seconds(), 0.0)
        except ProviderError as failure:
            self.failures += 1
            self._reason = str(failure)
            level = log.error if isinstance(failure, InvalidToken) else log.warning
            level("watch.failed", failures=self.failures, reason=str(failure))
            self._found()
            return self._back_off()
        except Exception:
            # Whatever it was, a bot that silently stopped watching would lie by its silence.
            self.failures += 1
            self._reason = "Something broke on my side; it is in my log."
            log.exception("watch.broken", failures=self.failures)
            return self._back_off()
        self.failures = 0
        self._not_before = None
        self.last_success = self._clock()
        if seen.changes or seen.overdue or seen.pipelines:
            log.info(
                "watch.changes", changes=len(seen.changes), overdue=seen.overdue, pipelines=seen.pipelines
            )
            self._found()
        return self._jittered(self._intervals.active if seen.running else self._intervals.rest)

    async def _wait_for_request(self) -> None:
        """Return when somebody asked for a look and the provider has not forbidden it, or `run` is to end."""
        try:
            async with asyncio.timeout(SHORTEST_PAUSE):
                await self._stopping.wait()
        except TimeoutError:
            pass
        await self._now_please.wait()
        if self._not_before is not None and self._not_before > self._clock():
            await asyncio.Event().wait()  # until the pause is over

    def _back_off(self) -> float:
        pause = self._intervals.rest * 2 ** min(self.failures - 1, 10)
        return self._jittered(min(pause, max(LONGEST_PAUSE.total_seconds(), self._intervals.rest)))

    def _jittered(self, seconds: float) -> float:
        # Bots that were started together should not look together for ever.
        return seconds * self._randomness.uniform(0.9, 1.1)
