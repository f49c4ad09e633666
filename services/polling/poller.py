"""The pollers and their schedule: fast while something runs, slow at rest, with a back-off when the provider fails."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from domain.build import App
from domain.poll_state import Baseline
from domain.poll_status import PollStatus
from domain.polling import BuildSource
from domain.provider import Provider
from domain.provider_errors import Forbidden, InvalidToken, ProviderError, RateLimited
from domain.unit import Unit
from services.events import BuildsChanged, EventBus
from services.jobs.background_job import BackgroundJob
from services.polling.poll import PollOutcome
from services.polling.poll_schedule import SHORTEST_PAUSE, PollEnd, PollSchedule
from storage.database import DatabaseProblem, DatabaseUnavailable
from storage.polls import PollSuperseded

log = structlog.get_logger()

LONGEST_PAUSE = timedelta(minutes=5)
# After so many failures in a row the provider is only probed, until a probe succeeds.
CIRCUIT_OPENS_AFTER = 5
OUTAGE_AFTER = 3


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

    A failed poll is tried again later; no failure ends the polling. `schedule` remembers how the polls go, and decides
    whether this bot makes the next one, or another one on the database.
    """

    unit = Unit.POLL

    def __init__(
        self,
        provider: Provider,
        poll: Callable[[], Awaitable[PollOutcome]],
        *,
        schedule: PollSchedule,
        intervals: Intervals,
        events: EventBus,
        clock: Callable[[], datetime],
        randomness: random.Random,
        probe: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        super().__init__()
        self.name = f"polling of {provider}"
        self.key = str(provider)
        self.schedule = schedule
        self._poll = poll
        self._probe = probe
        self._intervals = intervals
        self._events = events
        self._clock = clock
        self._randomness = randomness
        self._has_news = False

    @property
    def last_success(self) -> datetime | None:
        """The last successful poll; None if there was none since the start."""
        return self.schedule.status.last_success

    @property
    def failures(self) -> int:
        """The number of failed polls in a row."""
        return self.schedule.status.failures

    @property
    def outage(self) -> Outage | None:
        """The current outage; None while polls succeed, and after fewer than three failures in a row."""
        status = self.schedule.status
        if status.failures < OUTAGE_AFTER:
            return None
        return Outage(status.last_success, status.reason)

    @property
    def is_circuit_open(self) -> bool:
        """True if the provider failed so often that it is only probed."""
        return self.failures >= CIRCUIT_OPENS_AFTER

    async def run_once(self) -> float | None:
        """Poll, unless another bot does, or the job was woken earlier than the provider allows a poll."""
        try:
            return await self.schedule.run(self._poll_once)
        finally:
            # Whoever hears of it may ask at once how the polls go, so that has to be stored before.
            if self._has_news:
                self._has_news = False
                self._events.publish(BuildsChanged())

    async def finish(self) -> None:
        """Let another bot poll at once, instead of when this one's next poll is late."""
        await self.schedule.hand_over(Unit.POLL, self.key or "")

    async def _poll_once(self) -> PollEnd:
        """Poll; return how that has ended."""
        try:
            if self.is_circuit_open and self._probe is not None:
                # One small request without retries: more would not help a provider that is down.
                await self._probe()
                log.info("watch.recovered", failures=self.failures)
            outcome = await self._poll()
        except RateLimited as limit:
            until = limit.until or self._clock() + timedelta(seconds=self._intervals.rest)
            log.warning("watch.rate_limited", until=until.isoformat())
            self._has_news = True
            pause = max((until - self._clock()).total_seconds(), 0.0)
            return PollEnd(self._failed(str(limit)), pause, max(pause, SHORTEST_PAUSE))
        except ProviderError as failure:
            status = self._failed(str(failure))
            level = log.error if isinstance(failure, InvalidToken) else log.warning
            level("watch.failed", failures=status.failures, reason=str(failure))
            self._has_news = True
            return PollEnd(status, self._back_off(status.failures))
        except (DatabaseUnavailable, PollSuperseded):
            # What was found may be stored all the same.
            self._has_news = True
            raise
        except Exception:
            # No error may end the polling: people would take the silence for "nothing has happened".
            status = self._failed("An error in Buildbell; its log has the details.")
            log.exception("watch.broken", failures=status.failures)
            return PollEnd(status, self._back_off(status.failures))
        if outcome.changes or outcome.overdue or outcome.pipelines:
            log.info(
                "watch.changes",
                changes=len(outcome.changes),
                overdue=outcome.overdue,
                pipelines=outcome.pipelines,
            )
            self._has_news = True
        status = replace(self.schedule.current, failures=0, last_success=self._clock())
        interval = self._intervals.active if outcome.running else self._intervals.rest
        return PollEnd(status, self._jittered(interval))

    def _failed(self, reason: str) -> PollStatus:
        status = self.schedule.current
        return replace(status, failures=status.failures + 1, reason=reason)

    def _back_off(self, failures: int) -> float:
        pause = self._intervals.rest * 2 ** min(failures - 1, 10)
        return self._jittered(min(pause, max(LONGEST_PAUSE.total_seconds(), self._intervals.rest)))

    def _jittered(self, seconds: float) -> float:
        # Bots that were started together should not poll at the same moments for ever.
        return seconds * self._randomness.uniform(0.9, 1.1)


class Pollers:
    """The pollers of all providers for which the bot has a token, each with its build source.

    Other bots may poll with the same tokens; `refresh` reads how that goes, before it is asked for.
    """

    def __init__(self, polled: Iterable[tuple[BuildSource, Poller]]) -> None:
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
                await self._pollers[provider].schedule.request(Unit.POLL, str(provider))

    async def refresh(self) -> None:
        """Read how the polls of other bots go; while the database is away, what was last known holds."""
        with suppress(DatabaseProblem):
            for poller in self._pollers.values():
                await poller.schedule.refresh()

    def is_current(self, provider: Provider) -> bool:
        """Return whether the last poll of the provider succeeded, so that its running builds are known."""
        poller = self._pollers.get(provider)
        return poller is not None and poller.last_success is not None and not poller.failures

    def outage(self, provider: Provider) -> Outage | None:
        """Return why the provider can't be polled at the moment; None if it can."""
        if provider not in self._pollers:
            return Outage(
                None, f"Buildbell has no token for {provider.label}. Ask whoever runs it to set one."
            )
        return self._pollers[provider].outage

    async def baseline(self, app: App) -> Baseline:
        """Return the builds of an app that polling starts from. Raises ProviderError."""
        if app.provider not in self._sources:
            raise Forbidden("Buildbell has no token for it", provider=app.provider)
        return await self._sources[app.provider].baseline(app.slug)
