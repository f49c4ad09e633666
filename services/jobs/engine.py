"""The engine: decides when the units of background work are run, and where.

The work itself is done by the jobs (`services/jobs/background_job.py`), and what is due is in the database. A wake only
says that something may be due for a key, so one too many does no harm, and one that gets lost is made up for by the
next look at everything that is due.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Protocol

from domain.unit import Unit
from services.jobs.background_job import BackgroundJob
from storage.connection import Connection

SWEEP_SECONDS = 60.0
# These only look at what is due when they are woken. All others know when they have to look again.
SWEPT = (Unit.DELIVER, Unit.CONCLUDE_STEP, Unit.EXPIRE, Unit.DELETE_FILE)


class Engine(Protocol):
    """Runs the units of work of one or many bots.

    `sweep_seconds`: how often to look for what is due and was not woken.
    """

    sweep_seconds: Mapping[Unit, float]

    def wake(self, db: Connection, unit: Unit, key: str = "", at: datetime | None = None) -> None:
        """Run the unit for the key once the transaction is committed, at this time or at once.

        Equal wakes may become one. Within a bot, a key is run once at a time; if it is woken meanwhile, it is run once
        more. Two of several bots may run the same key at a time.
        """

    def every(self, seconds: float, unit: Unit, key: str = "") -> None:
        """Run the unit for the key at least this often."""

    async def run(self, job: BackgroundJob) -> None:
        """Let the job do its unit's work, until it is stopped. Raises what the job does not retry."""

    def stop(self) -> None:
        """Take no more work from other bots; the jobs are about to be stopped."""


class LocalEngine:
    """The engine of a bot that is alone with its database: tasks of this process, which know nothing after its end.

    Each job begins with everything that is due, so that nothing is lost with the process, nor before the job runs.
    """

    sweep_seconds: Mapping[Unit, float] = MappingProxyType({})

    def __init__(self, *, clock: Callable[[], datetime], timer: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._timer = timer
        self._periods: defaultdict[Unit, dict[str, float]] = defaultdict(dict)
        self._jobs: dict[tuple[Unit, str | None], BackgroundJob] = {}

    def wake(self, db: Connection, unit: Unit, key: str = "", at: datetime | None = None) -> None:
        """Run the unit for the key once the transaction is committed, at this time or at once."""
        db.after_commit(partial(self._wake, unit, key, at))

    def every(self, seconds: float, unit: Unit, key: str = "") -> None:
        """Run the unit for the key at least this often; for jobs that are run after this."""
        self._periods[unit][key] = seconds

    async def run(self, job: BackgroundJob) -> None:
        """Run the job until it is stopped. Raises what it does not retry."""
        if job.unit is None:
            await job.run(clock=self._clock, timer=self._timer)
            return
        self._jobs[job.unit, job.key] = job
        await job.run(
            run_again=partial(self._run_again, job, self._periods[job.unit]),
            clock=self._clock,
            timer=self._timer,
        )

    def stop(self) -> None:
        """Do nothing: no work comes from elsewhere."""

    @staticmethod
    def _run_again(job: BackgroundJob, periods: Mapping[str, float], key: str, seconds: float | None) -> None:
        pauses = [pause for pause in (seconds, periods.get(key)) if pause is not None]
        if pauses:
            job.wake_after(key, min(pauses))

    def _wake(self, unit: Unit, key: str, at: datetime | None) -> None:
        job = self._jobs.get((unit, key)) or self._jobs.get((unit, None))
        if job is not None:
            job.wake(key, at=at)


def sweep(engine: Engine) -> None:
    """Let the engine look every minute for what is due and has not been woken, or as often as it needs to."""
    for unit in SWEPT:
        engine.every(engine.sweep_seconds.get(unit, SWEEP_SECONDS), unit)
