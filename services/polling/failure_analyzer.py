"""The analysis of failed builds' logs: which step failed, and the lines that matter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from domain.errors import Forbidden, ProviderError
from domain.log.failure import find_failure
from domain.provider import Provider
from domain.provider_client import LogClient
from services.worker_processes.pool import Runner, WorkFailed
from storage.failure_analyses import PendingAnalysis
from storage.repositories import Repositories

log = structlog.get_logger()

# A log is archived a little after its build has ended; until then the end of it may be missing.
FIRST_PAUSE = timedelta(seconds=3)
MOST_TRIES = 8
MOST_LOG = 256 * 1024
LONGEST_SLEEP = 60.0


class FailureAnalyzer:
    """Finds out why one provider's builds failed that somebody was notified of, one after the other."""

    def __init__(
        self,
        provider: Provider,
        logs: LogClient,
        storage: Repositories,
        *,
        runner: Runner,
        on_update: Callable[[], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._provider = provider
        self._logs = logs
        self._runner = runner
        self._storage = storage
        self._found = on_update
        self._clock = clock
        self._wake = asyncio.Event()
        self._stopping = False

    def wake(self) -> None:
        """Look for failed builds now."""
        self._wake.set()

    def stop(self) -> None:
        """End `run`."""
        self._stopping = True
        self._wake.set()

    async def run(self) -> None:
        """Analyze until stopped; no failure ends it."""
        while not self._stopping:
            self._wake.clear()
            unread = await self._storage.failure_analyses.next(self._provider)
            wait = (unread.due - self._clock()).total_seconds() if unread else LONGEST_SLEEP
            if unread is not None and wait <= 0:
                await self._analyze(unread)
                continue
            try:
                async with asyncio.timeout(min(wait, LONGEST_SLEEP)):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _analyze(self, unread: PendingAnalysis) -> None:
        try:
            await self.analyze(unread)
        except Exception:
            # A log that breaks the reading must not keep the others from being read.
            log.exception("investigate.broken", build=unread.build_slug)
            await self._storage.failure_analyses.conclude(unread, None)

    async def analyze(self, unread: PendingAnalysis) -> None:
        """Read the build's log, or decide to do so later."""
        last_try = unread.tries + 1 >= MOST_TRIES
        try:
            tail = await self._logs.log_tail(unread.app_slug, unread.build_slug, most=MOST_LOG)
            failure = await self._runner.run(find_failure, tail.framed)
        except Forbidden as reason:
            log.info("investigate.not_allowed", build=unread.build_slug, reason=str(reason))
            await self._storage.failure_analyses.conclude(unread, None)
        except (ProviderError, WorkFailed) as reason:
            log.info("investigate.no_log", build=unread.build_slug, reason=str(reason), tries=unread.tries)
            await self._retry_or_give_up(unread, last_try=last_try)
        else:
            if tail.still_growing and not last_try:
                await self._retry_or_give_up(unread, last_try=False)
                return
            failure = failure.model_copy(update={"summary": await self._summary(unread)})
            await self._storage.failure_analyses.conclude(unread, failure)
            self._found()

    async def _summary(self, unread: PendingAnalysis) -> str | None:
        try:
            return await self._logs.ai_summary(unread.build_slug)
        except (ProviderError, WorkFailed) as reason:
            log.info("investigate.no_summary", build=unread.build_slug, reason=str(reason))
            return None

    async def _retry_or_give_up(self, unread: PendingAnalysis, *, last_try: bool) -> None:
        if last_try:
            await self._storage.failure_analyses.conclude(unread, None)
        else:
            await self._storage.failure_analyses.postpone(
                unread, self._clock() + FIRST_PAUSE * 2**unread.tries
            )
