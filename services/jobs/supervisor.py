"""The supervisor of everything that runs in the bot beside the handling of requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog

from services.jobs.background_job import BackgroundJob
from services.jobs.engine import Engine

log = structlog.get_logger()

DRAIN_SECONDS = 20.0


class Supervisor:
    """Runs tasks and background jobs side by side until it is stopped; the first that fails ends all of them.

    A bot without one of its jobs would look healthy and be wrong. The engine decides when a job does its work.
    """

    def __init__(self, engine: Engine, *, drain_seconds: float = DRAIN_SECONDS) -> None:
        self._engine = engine
        self._drain_seconds = drain_seconds
        self._stopped = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._jobs: list[BackgroundJob] = []

    @property
    def is_stopping(self) -> bool:
        """True once `stop` was called."""
        return self._stopped.is_set()

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        return task

    def start_job(
        self, job: BackgroundJob, *, condition: Callable[[], Awaitable[bool]] | None = None
    ) -> None:
        """Start a job; with a condition, once that returns True, and not at all if it returns False."""
        self._jobs.append(job)
        self.start(job.name, self._engine.run(job) if condition is None else self._run_if(condition, job))

    async def _run_if(self, condition: Callable[[], Awaitable[bool]], job: BackgroundJob) -> None:
        if await condition():
            await self._engine.run(job)

    def wake_all(self) -> None:
        """Let every job look for what is due: something may have been stored of which nobody was notified."""
        for job in self._jobs:
            job.wake()

    def stop(self) -> None:
        """End `run`."""
        self._stopped.set()

    async def run(self) -> None:
        """Wait until stopped. Raises what the first failed task raises."""
        until_stopped = asyncio.create_task(self._stopped.wait(), name="until stopped")
        try:
            while not until_stopped.done():
                done, _ = await asyncio.wait(
                    {until_stopped, *self._tasks}, return_when=asyncio.FIRST_COMPLETED
                )
                for task in done & self._tasks:
                    self._tasks.discard(task)
                    task.result()
        finally:
            until_stopped.cancel()

    async def wait_until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for the work, which is cancelled when the supervisor is stopped. Raises what the work raises."""
        task = asyncio.create_task(work)
        stopped = asyncio.create_task(self._stopped.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                task.result()
        finally:
            stopped.cancel()
            task.cancel()

    async def pause(self, seconds: float) -> None:
        """Wait this long, or until stopped."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()

    async def drain(self, *more: Coroutine[Any, Any, None]) -> None:
        """Stop all jobs, and wait for them and `more` work to end; what takes too long is cancelled."""
        self._engine.stop()
        for job in self._jobs:
            job.stop()
        last = {asyncio.create_task(work, name="requests") for work in more}
        _, unfinished = await asyncio.wait({*self._tasks, *last}, timeout=self._drain_seconds)
        for task in unfinished:
            log.warning("drain.late", task=task.get_name())
            task.cancel()
        await asyncio.gather(*unfinished, return_exceptions=True)
