"""Deletes old data once a day, Slack's old deliveries every hour, and rewrites the database file where that is due."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from domain.unit import Unit
from services.jobs.background_job import BackgroundJob
from storage.database import DatabaseUnavailable
from storage.encryption import SecretBox
from storage.repositories import Repositories
from storage.retention import prune

log = structlog.get_logger()

# Nothing that had begun before a workspace removed the app still runs after this.
REMOVED_FOR = timedelta(days=1)
HOUR_SECONDS, HOURS_OF_A_DAY = 3600.0, 24


class DataCleanup(BackgroundJob):
    """Deletes old data at the start and once a day; within an hour, rewrites the file if a deletion requires it.

    The bot works without it: a failure is logged and tried again.
    """

    name = "data cleanup"
    unit = Unit.PRUNE
    is_exclusive = True

    def __init__(
        self,
        storage: Repositories,
        secret_box: SecretBox | None,
        *,
        history: timedelta,
        audit: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__()
        self._storage = storage
        self._secret_box = secret_box
        self._history = history
        self._audit = audit
        self._clock = clock
        self._hours = 0

    async def run_once(self) -> float | None:
        """Do what is due this hour."""
        if self._hours % HOURS_OF_A_DAY == 0:
            await self._delete_old_data()
        self._hours += 1
        await self._storage.slack_deliveries.delete_expired(self._clock())
        await self._storage.forget_removed_workspaces(self._clock() - REMOVED_FOR)
        try:
            if await self._storage.database.rewrite_if_marked():
                log.info("database.rewritten")
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("database.not_rewritten")
        return HOUR_SECONDS

    async def _delete_old_data(self) -> None:
        now = self._clock()
        try:
            if ended := await self._storage.unfollow_forgotten_runs(now):
                log.info("runs.unfollowed", runs=ended)
            rows = await prune(
                self._storage.database,
                before=now - self._history,
                audit_before=now - self._audit,
                vault=self._secret_box,
            )
            log.info("pruned", rows=rows)
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("prune.broken")
