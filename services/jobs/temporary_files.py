"""Files in Slack that are deleted once their time has run out."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from services.container import Services
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()

LONGEST_SLEEP = 60.0
# After one that Slack did not delete.
AGAIN_SECONDS = 10.0
_GONE = frozenset({"file_not_found", "file_deleted"})


class TemporaryFileCleanup:
    """Deletes them, after a restart too; `run` goes on until stopped."""

    def __init__(self, services: Services, changed: asyncio.Event) -> None:
        self._services = services
        self._changed = changed
        self._stopping = False

    def stop(self) -> None:
        """End `run`."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Delete what has passed; no failure ends it."""
        while not self._stopping:
            self._changed.clear()
            try:
                all_gone = await self.delete_those_due()
            except Exception:
                log.exception("files.broken")
                all_gone = False
            seconds = await self._until_next() if all_gone else AGAIN_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(min(max(seconds, 0.05), LONGEST_SLEEP)):
                    await self._changed.wait()

    async def delete_those_due(self) -> bool:
        """Delete what has passed by now; returns whether Slack has deleted all of it."""
        all_gone = True
        for team, file in await self._services.storage.all_passed_files(self._services.clock()):
            if await self._delete(team, file):
                await self._services.storage.file_gone(team, file)
            else:
                all_gone = False
        return all_gone

    async def _delete(self, team: str, file: str) -> bool:
        try:
            await self._services.slack(team).files_delete(file=file)
        except SlackCallFailed as error:
            reason = error.reason
            if reason not in _GONE:
                log.warning("file.not_deleted", team=team, reason=reason)
                return False
        return True

    async def _until_next(self) -> float:
        at = await self._services.storage.next_file_passes()
        return (at - self._services.clock()).total_seconds() if at is not None else LONGEST_SLEEP
