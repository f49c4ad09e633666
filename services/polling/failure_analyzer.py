"""The analysis of failed builds' logs: which step failed, and the lines that matter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from domain.log.failure import find_failure
from domain.provider import Provider
from domain.provider_client import LogClient
from domain.provider_errors import Forbidden, ProviderError
from domain.unit import Unit
from services.jobs.background_job import BackgroundJob
from services.jobs.schedule import seconds_until
from services.worker_processes.pool import Runner, WorkFailed
from storage.database import DatabaseUnavailable
from storage.failure_analyses import PendingAnalysis
from storage.repositories import Repositories

log = structlog.get_logger()

# A log is archived a little after its build has ended; until then the end of it may be missing.
FIRST_PAUSE = timedelta(seconds=3)
MAX_TRIES = 8
MAX_LOG_BYTES = 256 * 1024
AGAIN_SECONDS = 60.0


class FailureAnalyzer(BackgroundJob):
    """Finds the cause of one provider's failed builds that a notification was enqueued for, one at a time."""

    unit = Unit.READ_LOG
    is_exclusive = True
    retry_seconds = AGAIN_SECONDS

    def __init__(
        self,
        provider: Provider,
        logs: LogClient,
        storage: Repositories,
        *,
        runner: Runner,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__()
        self.name = f"failure analysis of {provider}"
        self.key = str(provider)
        self._provider = provider
        self._logs = logs
        self._runner = runner
        self._storage = storage
        self._clock = clock

    async def run_once(self) -> float | None:
        """Analyze the next build, if its log may be there by now."""
        pending = await self._storage.failure_analyses.next(self._provider)
        if pending is None:
            return AGAIN_SECONDS
        if pending.due <= self._clock():
            await self._analyze(pending)
            return 0
        return seconds_until(pending.due, self._clock())

    async def _analyze(self, pending: PendingAnalysis) -> None:
        try:
            await self.analyze(pending)
        except DatabaseUnavailable:
            raise
        except Exception:
            # A log that can't be analyzed must not stop the others.
            log.exception("investigate.broken", build=pending.build_slug)
            await self._storage.failure_analyses.conclude(pending, None)

    async def analyze(self, pending: PendingAnalysis) -> None:
        """Read the build's log and store the result, or postpone it."""
        last_try = pending.tries + 1 >= MAX_TRIES
        try:
            tail = await self._logs.log_tail(pending.app_slug, pending.build_slug, most=MAX_LOG_BYTES)
            failure = await self._runner.run(find_failure, tail.framed)
        except Forbidden as reason:
            log.info("investigate.not_allowed", build=pending.build_slug, reason=str(reason))
            await self._storage.failure_analyses.conclude(pending, None)
        except (ProviderError, WorkFailed) as reason:
            log.info("investigate.no_log", build=pending.build_slug, reason=str(reason), tries=pending.tries)
            await self._retry_or_give_up(pending, last_try=last_try)
        else:
            if tail.still_growing and not last_try:
                await self._retry_or_give_up(pending, last_try=False)
                return
            failure = failure.model_copy(update={"summary": await self._summary(pending)})
            await self._storage.failure_analyses.conclude(pending, failure)

    async def _summary(self, pending: PendingAnalysis) -> str | None:
        try:
            return await self._logs.ai_summary(pending.build_slug)
        except (ProviderError, WorkFailed) as reason:
            log.info("investigate.no_summary", build=pending.build_slug, reason=str(reason))
            return None

    async def _retry_or_give_up(self, pending: PendingAnalysis, *, last_try: bool) -> None:
        if last_try:
            await self._storage.failure_analyses.conclude(pending, None)
        else:
            await self._storage.failure_analyses.postpone(
                pending, self._clock() + FIRST_PAUSE * 2**pending.tries
            )
