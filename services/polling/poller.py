"""The polling schedule: fast while something runs, slow at rest, with a back-off when the provider fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from domain.provider_errors import InvalidToken, ProviderError, RateLimited
from services.polling.poll import PollOutcome

log = structlog.get_logger()

LONGEST_PAUSE = timedelta(minutes=5)
# After so many failures in a row the provider is only probed, until a probe succeeds.
CIRCUIT_OPENS_AFTER = 5
OUTAGE_AFTER = 3
# However often a poll is requested.
SHORTEST_PAUSE = 0.2


@dataclass(frozen=True)
class Intervals:
    """Seconds between two polls: at rest, and while a build runs."""

    rest: float
    active: float


@dataclass(frozen=True)
class Outage:
    """The provider can't be polled: the last success (None: none since the start), and the last reason."""

    since: datetime | None
    reason: str


class Poller:
    """Polls repeatedly; `on_update` is called after changes, and after a provider's error.

    `last_success` and `failures` (in a row) are its state.
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
        self._poll = poll
        self._probe = probe
        self._intervals = intervals
        self._on_update = on_update
        self._clock = clock
        self._randomness = randomness
        self._poll_requested = asyncio.Event()
        self._stopping = asyncio.Event()
        self._not_before: datetime | None = None
        self.last_success: datetime | None = None
        self.failures = 0
        self._reason = ""

    @property
    def outage(self) -> Outage | None:
        """The current outage; None while polls succeed, and after fewer than three failures in a row."""
        if self.failures < OUTAGE_AFTER:
            return None
        return Outage(self.last_success, self._reason)

    @property
    def is_circuit_open(self) -> bool:
        """True if the provider failed so often that it is only probed."""
        return self.failures >= CIRCUIT_OPENS_AFTER

    def poll_now(self) -> None:
        """Poll as soon as the provider allows, instead of at the end of the interval."""
        self._poll_requested.set()

    async def run(self) -> None:
        """Poll until stopped; a failed poll is tried again later, and no failure ends it."""
        while not self._stopping.is_set():
            self._poll_requested.clear()
            pause = await self._poll_once()
            try:
                async with asyncio.timeout(pause):
                    await self._wait_for_request()
            except TimeoutError:
                continue

    def stop(self) -> None:
        """End `run` once the current poll is over."""
        self._stopping.set()
        self._not_before = None
        self._poll_requested.set()

    async def _poll_once(self) -> float:
        """Poll; return the seconds to wait before the next poll."""
        try:
            if self.is_circuit_open and self._probe is not None:
                # One small request without retries: more would not help a provider that is down.
                await self._probe()
                log.info("watch.recovered", failures=self.failures)
            outcome = await self._poll()
        except RateLimited as limit:
            self.failures += 1
            self._reason = str(limit)
            self._not_before = limit.until or self._clock() + timedelta(seconds=self._intervals.rest)
            log.warning("watch.rate_limited", until=self._not_before.isoformat())
            self._on_update()
            return max((self._not_before - self._clock()).total_seconds(), 0.0)
        except ProviderError as failure:
            self.failures += 1
            self._reason = str(failure)
            level = log.error if isinstance(failure, InvalidToken) else log.warning
            level("watch.failed", failures=self.failures, reason=str(failure))
            self._on_update()
            return self._back_off()
        except Exception:
            # No error may end the polling: people would take the silence for "nothing has happened".
            self.failures += 1
            self._reason = "Something broke on my side; it is in my log."
            log.exception("watch.broken", failures=self.failures)
            return self._back_off()
        self.failures = 0
        self._not_before = None
        self.last_success = self._clock()
        if outcome.changes or outcome.overdue or outcome.pipelines:
            log.info(
                "watch.changes",
                changes=len(outcome.changes),
                overdue=outcome.overdue,
                pipelines=outcome.pipelines,
            )
            self._on_update()
        return self._jittered(self._intervals.active if outcome.running else self._intervals.rest)

    async def _wait_for_request(self) -> None:
        """Return when a poll was requested and the provider's rate limit allows it, or `run` is to end."""
        try:
            async with asyncio.timeout(SHORTEST_PAUSE):
                await self._stopping.wait()
        except TimeoutError:
            pass
        await self._poll_requested.wait()
        if self._not_before is not None and self._not_before > self._clock():
            await asyncio.Event().wait()  # until the pause is over

    def _back_off(self) -> float:
        pause = self._intervals.rest * 2 ** min(self.failures - 1, 10)
        return self._jittered(min(pause, max(LONGEST_PAUSE.total_seconds(), self._intervals.rest)))

    def _jittered(self, seconds: float) -> float:
        # Bots that were started together should not poll at the same moments for ever.
        return seconds * self._randomness.uniform(0.9, 1.1)
