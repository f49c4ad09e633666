"""The base of background jobs: when they run, how they are woken and stopped, and what follows an error."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Protocol

import structlog

log = structlog.get_logger()

MAX_RETRY_SECONDS = 600.0
# A pause until a certain time is interrupted after this long, because the system clock may have been changed.
MAX_PAUSE_SECONDS = 60.0
MIN_PAUSE_SECONDS = 0.05


class BackgroundJob(ABC):
    """A job that runs at the start, whenever it is due again, and when it is woken, until it is stopped.

    `name` is for the log. `woken_by` are the classes of events after which it runs at once. After an error, which is
    logged as `error_event`, `run_once` is called again in `retry_seconds`, and later each time; without them, an error
    ends the bot.
    """

    name: str
    woken_by: Sequence[type] = ()
    retry_seconds: float | None = None
    error_event = "job.failed"

    def __init__(self) -> None:
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()

    @abstractmethod
    async def run_once(self) -> float | None:
        """Do what is due; return the seconds until more may be due, None if only waking the job makes it so."""

    async def prepare(self) -> None:  # noqa: B027 - most jobs need none
        """Prepare, once before the first run; nothing by default."""

    async def finish(self) -> None:  # noqa: B027 - most jobs need none
        """Complete what was started, once after the last run; nothing by default."""

    def wake(self) -> None:
        """Run as soon as possible."""
        self._woken.set()

    def stop(self) -> None:
        """End `run` once the current run is over."""
        self._stopping.set()
        self._woken.set()

    async def run(self) -> None:
        """Run until stopped. Raises what `run_once` raises, if the job is not to be retried."""
        await self.prepare()
        failures = 0
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                seconds = await self.run_once()
                failures = 0
            except Exception:
                if self.retry_seconds is None:
                    raise
                seconds = min(self.retry_seconds * 2 ** min(failures, 6), MAX_RETRY_SECONDS)
                failures += 1
                log.exception(self.error_event, job=self.name, failures=failures, again_in_seconds=seconds)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._woken.wait()
        await self.finish()

    async def pause(self, seconds: float) -> None:
        """Wait this long, or until the job is stopped."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()


def seconds_until(time: datetime | None, now: datetime) -> float | None:
    """Return the pause until a job looks again at something that is due at this time; None if nothing is."""
    if time is None:
        return None
    return min(max((time - now).total_seconds(), MIN_PAUSE_SECONDS), MAX_PAUSE_SECONDS)


class WorkspaceCache(Protocol):
    """A cache of data about workspaces."""

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
