"""The engine of bots that share a PostgreSQL database: a wake is a job in a queue that all of them take from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from types import MappingProxyType

import structlog

from domain.unit import Unit
from services.jobs.background_job import BackgroundJob
from services.jobs.engine import SWEEP_SECONDS
from storage.connection import Connection
from storage.database import DatabaseUnavailable
from storage.job_queue import POLL_SECONDS, JobQueue

log = structlog.get_logger()

# How long a job in the queue waits for the run that it has caused. What lasts longer goes on without it, so that a few
# slow channels do not keep this bot from taking other jobs.
RUN_SECONDS = 5.0
# Their next run is up to the process that ran them last: it has the poller's state, and counts the hours.
OF_THE_PROCESS = frozenset({Unit.POLL, Unit.PRUNE})
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0


class ProcrastinateEngine:
    """The engine of one of several bots: jobs in PostgreSQL, done by whichever bot takes them first.

    A job only wakes the background job of its unit in this process. What the job knows to be due later becomes a job in
    the queue again, unless one is waiting there that is done no later, so that all bots together look once. Each bot
    begins with everything that is due; and what a killed process had taken is found by the next sweep.
    """

    # A channel of a killed bot waits for nothing else.
    sweep_seconds: Mapping[Unit, float] = MappingProxyType({Unit.DELIVER: 5.0})

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], datetime],
        timer: Callable[[], float] = time.monotonic,
        run_seconds: float = RUN_SECONDS,
    ) -> None:
        self.queue = JobQueue(url, self._handle)
        self._clock = clock
        self._timer = timer
        self._run_seconds = run_seconds
        self._periods: dict[tuple[Unit, str], float] = {}
        self._jobs: dict[tuple[Unit, str | None], BackgroundJob] = {}
        self._swept: set[tuple[Unit, str]] = set()
        # Units that are run here, but for which no worker takes jobs yet.
        self._unserved: list[Unit] = []
        self._served: set[Unit] = set()
        self._workers: set[asyncio.Task[None]] = set()
        self._deferring: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    def wake(self, db: Connection, unit: Unit, key: str = "", at: datetime | None = None) -> None:
        """Run the unit for the key once the transaction is committed, at this time or at once."""
        # The server has another clock.
        seconds = (at - self._clock()).total_seconds() if at is not None else 0.0
        self.queue.defer(db, unit, key, seconds if seconds > 0 else None)

    def every(self, seconds: float, unit: Unit, key: str = "") -> None:
        """Let one of the bots run the unit for the key this often; for jobs that are run after this."""
        self._periods[unit, key] = seconds

    async def run(self, job: BackgroundJob) -> None:
        """Run the job until it is stopped. Raises what it does not retry."""
        unit, key = job.unit, job.key or ""
        if unit is None:
            await job.run(clock=self._clock, timer=self._timer)
            return
        self._jobs[unit, job.key] = job
        self._sweep(unit, job)
        self._take_jobs(unit)
        try:
            await job.run(run_again=partial(self._run_again, job), clock=self._clock, timer=self._timer)
            # Others look for what this one leaves behind.
            if unit not in OF_THE_PROCESS:
                with suppress(DatabaseUnavailable):
                    await self.queue.defer_unless_waiting(unit, key, 0)
        finally:
            del self._jobs[unit, job.key]
            if not self._jobs:
                await self._close()

    def stop(self) -> None:
        """Take no more jobs from the queue; those that were taken and are not begun go back to it."""
        if self._is_stopping:
            return  # a worker that is cancelled twice does not end in order
        self._is_stopping = True
        for worker in self._workers:
            worker.cancel()

    def _sweep(self, unit: Unit, job: BackgroundJob) -> None:
        """Run the job periodically, whatever has become of its next run: a killed process may have had it."""
        if unit in OF_THE_PROCESS:
            return
        periods = {key: seconds for (of_unit, key), seconds in self._periods.items() if of_unit is unit}
        for key, seconds in ({job.key or "": SWEEP_SECONDS} | periods).items():
            if job.key in (key, None) and (unit, key) not in self._swept:
                self._swept.add((unit, key))
                self.queue.every(seconds, unit, key)

    def _take_jobs(self, unit: Unit) -> None:
        """Let a worker take jobs of this unit; those of units that are begun together have one worker."""
        if unit in self._served or self._is_stopping:
            return
        self._served.add(unit)
        self._unserved.append(unit)
        if len(self._unserved) == 1:
            worker = asyncio.create_task(self._work(), name="jobs of other bots")
            self._workers.add(worker)

    async def _work(self) -> None:
        """Run a worker, and start it again whenever it ends: it ends with its connection, or after a long pause."""
        await asyncio.sleep(0)
        units, self._unserved = self._unserved, []
        pause = FIRST_PAUSE_SECONDS
        while not self._is_stopping:
            began = self._timer()
            reason = await self.queue.work(units)
            if self._is_stopping:
                return
            if self._timer() - began > LONGEST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            # One line for an outage, however long it lasts; the database warns of it.
            if pause == FIRST_PAUSE_SECONDS:
                log.info("jobs.worker_restarted", reason=reason)
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _handle(self, unit: Unit, key: str) -> None:
        """Do a job from the queue: let this process's job run for the key."""
        job = self._jobs.get((unit, key)) or self._jobs.get((unit, None))
        if job is not None and not self._is_stopping:
            await job.wake_and_wait(key, self._run_seconds)
        if self._is_stopping:
            # It may not have been run any more, so another bot looks.
            with suppress(DatabaseUnavailable):
                await self.queue.defer_unless_waiting(unit, key, 0)

    def _run_again(self, job: BackgroundJob, key: str, seconds: float | None) -> None:
        if seconds is None or job.unit is None:
            return
        # A shorter time than workers notice is no job.
        if seconds <= POLL_SECONDS or job.unit in OF_THE_PROCESS:
            job.wake_after(key, seconds)
            return
        deferring = asyncio.create_task(self._defer(job, job.unit, key, seconds), name="next job")
        self._deferring.add(deferring)
        deferring.add_done_callback(self._deferring.discard)

    async def _defer(self, job: BackgroundJob, unit: Unit, key: str, seconds: float) -> None:
        try:
            await self.queue.defer_unless_waiting(unit, key, seconds)
        except DatabaseUnavailable:
            job.wake_after(key, seconds)

    async def _close(self) -> None:
        self.stop()
        await asyncio.gather(*self._workers, *self._deferring, return_exceptions=True)
        self._workers.clear()
        self._served.clear()
        self._is_stopping = False
        await self.queue.close()
