"""The base of background jobs: what they do for a key, and the loop that runs them in this process."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Protocol

import structlog

from domain.unit import Unit
from services.jobs.schedule import Schedule
from storage.database import AGAIN_SECONDS, DatabaseUnavailable
from storage.session_locks import SessionLocks

log = structlog.get_logger()

MAX_RETRY_SECONDS = 600.0
# After these seconds a bot tries again to run what another one is running.
LOCKED_SECONDS = 1.0


class BackgroundJob(ABC):
    """A job that runs at the start, whenever it is due again, and when it is woken, until it is stopped.

    `name` is for the log. A job with a `unit` does the unit's work and is woken through the engine, in the transactions
    that make its work necessary; a job without one is of this process only, such as the Homes that it shows. `key` is
    the only key that the job is run for; None if it takes all keys of its unit, of which it runs all at the same time,
    but each only once at a time. After an error, which is logged as `error_event`, the key is run again in
    `retry_seconds`, and later each time; without them, an error ends the bot. While the database
    is away, which it logs itself, every job waits for it.

    With the `locks` of the bot, one of several bots on a database runs a key at a time; the next one then finds what is
    still due. `is_exclusive` is False for jobs that see to that themselves, and for those of this process only.
    """

    name: str
    unit: Unit | None = None
    key: str | None = ""
    retry_seconds: float | None = None
    is_exclusive = False
    locks: SessionLocks | None = None
    error_event = "job.failed"

    def __init__(self) -> None:
        self._schedule = Schedule()
        self._timer: Callable[[], float] = time.monotonic
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        # The keys that are being run, and who waits for the next run of which key.
        self._running: dict[str, asyncio.Task[float | None]] = {}
        self._awaited: dict[str, asyncio.Event] = {}

    @abstractmethod
    async def run_once(self) -> float | None:
        """Do what is due; return the seconds until more may be due, None if only waking the job makes it so."""

    async def run_for(self, key: str) -> float | None:  # noqa: ARG002 - for jobs that take many
        """Do what is due for one key; return as `run_once` does, which it calls by default."""
        return await self.run_once()

    async def prepare(self) -> None:  # noqa: B027 - most jobs need none
        """Prepare, once before the first run; nothing by default."""

    async def finish(self) -> None:  # noqa: B027 - most jobs need none
        """Complete what was started, once after the last run; nothing by default."""

    def wake(self, key: str | None = None, *, at: datetime | None = None) -> None:
        """Run for a key, by default the job's own, at this time or as soon as possible.

        If it is being run for the key already, it is run once more.
        """
        self._schedule.wake(self._first_key if key is None else key, at)
        self._woken.set()

    def wake_after(self, key: str, seconds: float) -> None:
        """Run for a key after this time; this replaces an earlier pause of the key."""
        self._schedule.wake_after(key, self._timer() + seconds)
        self._woken.set()

    async def wake_and_wait(self, key: str, seconds: float) -> None:
        """Run for a key, and wait until that is done; no longer than these seconds.

        A key that is being run already is not waited for: such a run may last, and is followed by another one.
        """
        self.wake(key)
        if key in self._running or self._stopping.is_set():
            return
        done = self._awaited.setdefault(key, asyncio.Event())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await done.wait()

    def stop(self) -> None:
        """End `run` once the current runs are over."""
        self._stopping.set()
        self._woken.set()
        for done in self._awaited.values():  # runs that will not begin
            done.set()

    @property
    def _first_key(self) -> str:
        return self.key or ""

    async def run(
        self,
        *,
        run_again: Callable[[str, float | None], None] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """Run until stopped. Raises what a run raises, if the job is not to be retried.

        `run_again` gets each key that was run, and the seconds until more is due, None if only a wake makes it so; by
        default the key is run again after this time, by `timer`.
        """
        self._timer = timer
        await self._prepare_with_retries()
        self._schedule.wake(self._first_key)
        running = self._running
        failures: dict[str, int] = {}
        try:
            while not self._stopping.is_set():
                for key in [key for key, task in running.items() if task.done()]:
                    seconds = self._seconds_after(key, running.pop(key), failures)
                    (run_again or self._run_again)(key, seconds)
                for key in self._schedule.due(clock(), timer()):
                    if key not in running:
                        self._schedule.begin(key)
                        running[key] = self._start_run(key)
                # Nothing else has run meanwhile, so what was woken is in the schedule.
                self._woken.clear()
                await self._wait(self._schedule.seconds_left(clock(), timer()))
            if running:
                await asyncio.wait(running.values())
            for key, task in running.items():
                self._seconds_after(key, task, failures)
        finally:
            for task in running.values():
                task.cancel()
            running.clear()
            for done in self._awaited.values():
                done.set()
        with suppress(DatabaseUnavailable):
            await self.finish()

    def _run_again(self, key: str, seconds: float | None) -> None:
        if seconds is not None:
            self.wake_after(key, seconds)

    async def _prepare_with_retries(self) -> None:
        while not self._stopping.is_set():
            try:
                await self.prepare()
            except DatabaseUnavailable:
                await self.pause(AGAIN_SECONDS)
            else:
                return

    def _start_run(self, key: str) -> asyncio.Task[float | None]:
        run = (
            self.run_for(key)
            if self.locks is None or not self.is_exclusive
            else self._run_alone(key, self.locks)
        )
        task = asyncio.create_task(run, name=self.name)
        task.add_done_callback(lambda _task: self._woken.set())
        if (awaited := self._awaited.pop(key, None)) is not None:
            task.add_done_callback(lambda _task: awaited.set())
        return task

    async def _run_alone(self, key: str, locks: SessionLocks) -> float | None:
        """Run for the key, unless another bot does so: then what it was woken for is looked for a little later."""
        name = ("job", str(self.unit or self.name), key)
        if await locks.acquire(*name) is None:
            return LOCKED_SECONDS
        try:
            return await self.run_for(key)
        finally:
            await locks.release(*name)

    def _seconds_after(
        self, key: str, task: asyncio.Task[float | None], failures: dict[str, int]
    ) -> float | None:
        """Return how long to wait after a run until the next one. Raises what it raised, if it is not to be retried."""
        try:
            seconds = task.result()
        except DatabaseUnavailable:
            seconds = AGAIN_SECONDS
        except Exception:
            if self.retry_seconds is None:
                raise
            failed = failures.pop(key, 0)
            failures[key] = failed + 1
            seconds = min(self.retry_seconds * 2 ** min(failed, 6), MAX_RETRY_SECONDS)
            log.exception(self.error_event, job=self.name, failures=failed + 1, again_in_seconds=seconds)
        else:
            failures.pop(key, None)
        return seconds

    async def _wait(self, seconds: float | None) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def pause(self, seconds: float) -> None:
        """Wait this long, or until the job is stopped."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


class WorkspaceCache(Protocol):
    """A cache of data about workspaces."""

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
