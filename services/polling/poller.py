"""The pollers and their schedule: fast while something runs, slow at rest, with a back-off when the provider fails."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from domain.build import App
from domain.poll_state import Baseline
from domain.polling import BuildSource
from domain.provider import Provider
from domain.provider_errors import Forbidden, InvalidToken, ProviderError, RateLimited
from domain.unit import Unit
from services.events import BuildsChanged, EventBus
from services.jobs.background_job import BackgroundJob
from services.polling.poll import PollOutcome
from storage.database import DatabaseProblem, DatabaseUnavailable

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


class Poller(BackgroundJob):
    """Polls a provider repeatedly, and publishes that there are changes, or that the provider fails.

    A failed poll is tried again later; no failure ends the polling. `last_success` and `failures` (in a row) are its
    state.
    """

    unit = Unit.POLL

    def __init__(
        self,
        provider: Provider,
        poll: Callable[[], Awaitable[PollOutcome]],
        *,
        intervals: Intervals,
        events: EventBus,
        clock: Callable[[], datetime],
        randomness: random.Random,
        probe: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__()
        self.name = f"polling of {provider}"
        self.key = str(provider)
        self._poll = poll
        self._probe = probe
        self._intervals = intervals
        self._events = events
        self._clock = clock
        self._randomness = randomness
        # Times of the event loop, so that a change of the system clock does not matter.
        self._next_poll_allowed = 0.0
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

    async def run_once(self) -> float | None:
        """Poll; if the job was woken earlier than the provider allows a poll, wait until then."""
        loop = asyncio.get_running_loop()
        early = self._next_poll_allowed - loop.time()
        if early > 0:
            return early
        pause, shortest = await self._poll_once()
        self._next_poll_allowed = loop.time() + shortest
        return pause

    async def _poll_once(self) -> tuple[float, float]:
        """Poll; return the seconds to wait before the next poll, and the least of them if one is requested."""
        try:
            if self.is_circuit_open and self._probe is not None:
                # One small request without retries: more would not help a provider that is down.
                await self._probe()
                log.info("watch.recovered", failures=self.failures)
            outcome = await self._poll()
        except RateLimited as limit:
            self.failures += 1
            self._reason = str(limit)
            until = limit.until or self._clock() + timedelta(seconds=self._intervals.rest)
            log.warning("watch.rate_limited", until=until.isoformat())
            self._events.publish(BuildsChanged())
            pause = max((until - self._clock()).total_seconds(), 0.0)
            return pause, max(pause, SHORTEST_PAUSE)
        except ProviderError as failure:
            self.failures += 1
            self._reason = str(failure)
            level = log.error if isinstance(failure, InvalidToken) else log.warning
            level("watch.failed", failures=self.failures, reason=str(failure))
            self._events.publish(BuildsChanged())
            return self._back_off(), SHORTEST_PAUSE
        except DatabaseUnavailable:
            # What was found may be stored all the same.
            self._events.publish(BuildsChanged())
            raise
        except Exception:
            # No error may end the polling: people would take the silence for "nothing has happened".
            self.failures += 1
            self._reason = "Something broke on my side; it is in my log."
            log.exception("watch.broken", failures=self.failures)
            return self._back_off(), SHORTEST_PAUSE
        self.failures = 0
        self.last_success = self._clock()
        if outcome.changes or outcome.overdue or outcome.pipelines:
            log.info(
                "watch.changes",
                changes=len(outcome.changes),
                overdue=outcome.overdue,
                pipelines=outcome.pipelines,
            )
            self._events.publish(BuildsChanged())
        interval = self._intervals.active if outcome.running else self._intervals.rest
        return self._jittered(interval), SHORTEST_PAUSE

    def _back_off(self) -> float:
        pause = self._intervals.rest * 2 ** min(self.failures - 1, 10)
        return self._jittered(min(pause, max(LONGEST_PAUSE.total_seconds(), self._intervals.rest)))

    def _jittered(self, seconds: float) -> float:
        # Bots that were started together should not poll at the same moments for ever.
        return seconds * self._randomness.uniform(0.9, 1.1)


class Pollers:
    """The pollers of all providers for which the bot has a token, each with its build source.

    `wake` wakes a unit of work for these keys.
    """

    def __init__(
        self,
        polled: Iterable[tuple[BuildSource, Poller]],
        *,
        wake: Callable[[Unit, Iterable[str]], Awaitable[None]],
    ) -> None:
        self._wake = wake
        self._sources: dict[Provider, BuildSource] = {}
        self._pollers: dict[Provider, Poller] = {}
        for source, poller in polled:
            self._sources[source.provider] = source
            self._pollers[source.provider] = poller

    @property
    def pollers(self) -> Mapping[Provider, Poller]:
        """Each provider's poller."""
        return self._pollers

    @property
    def last_success(self) -> datetime | None:
        """The oldest of the providers' last successful polls; None where one has never succeeded."""
        times = [poller.last_success for poller in self._pollers.values()]
        known = [time for time in times if time is not None]
        return min(known) if known and len(known) == len(times) else None

    async def poll_now(self, provider: Provider) -> None:
        """Poll a provider as soon as it allows; nothing happens for one that is not polled."""
        if provider in self._pollers:
            with suppress(DatabaseProblem):  # it is polled soon in any case
                await self._wake(Unit.POLL, [str(provider)])

    def is_current(self, provider: Provider) -> bool:
        """Return whether the last poll of the provider succeeded, so that its running builds are known."""
        poller = self._pollers.get(provider)
        return poller is not None and poller.last_success is not None and not poller.failures

    def outage(self, provider: Provider) -> Outage | None:
        """Return why the provider can't be polled at the moment; None if it can."""
        if provider not in self._pollers:
            return Outage(None, f"I have no token for {provider.label}. Whoever runs me can give me one.")
        return self._pollers[provider].outage

    async def baseline(self, app: App) -> Baseline:
        """Return the builds of an app that polling starts from. Raises ProviderError."""
        if app.provider not in self._sources:
            raise Forbidden("I have no token for it", provider=app.provider)
        return await self._sources[app.provider].baseline(app.slug)
