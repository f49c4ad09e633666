"""Deletes files in Slack when they expire."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from domain.unit import Unit
from services.jobs.background_job import BackgroundJob
from services.jobs.schedule import seconds_until
from services.slack.errors import SlackCallFailed
from storage.repositories import Repositories

log = structlog.get_logger()

# After a file that Slack did not delete.
AGAIN_SECONDS = 10.0
_GONE = frozenset({"file_not_found", "file_deleted"})


class TemporaryFileCleanup(BackgroundJob):
    """Deletes temporary files, after a restart too."""

    name = "temporary files"
    unit = Unit.DELETE_FILE
    is_exclusive = True
    retry_seconds = AGAIN_SECONDS
    error_event = "files.broken"

    def __init__(
        self,
        storage: Repositories,
        slack: Callable[[str], AsyncWebClient],
        *,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__()
        self._storage = storage
        self._slack = slack
        self._clock = clock

    async def run_once(self) -> float | None:
        """Delete expired files."""
        if not await self.delete_expired():
            return AGAIN_SECONDS
        return seconds_until(await self._storage.next_file_expiry(), self._clock())

    async def delete_expired(self) -> bool:
        """Delete expired files; return whether Slack has deleted all of them."""
        all_gone = True
        for team, file in await self._storage.expired_files(self._clock()):
            if await self._delete(team, file):
                await self._storage.forget_file(team, file)
            else:
                all_gone = False
        return all_gone

    async def _delete(self, team: str, file: str) -> bool:
        try:
            await self._slack(team).files_delete(file=file)
        except SlackCallFailed as error:
            reason = error.reason
            if reason not in _GONE:
                log.warning("file.not_deleted", team=team, reason=reason)
                return False
        return True
