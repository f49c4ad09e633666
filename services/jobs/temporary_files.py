"""Deletes files in Slack when they expire."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from services.slack.errors import SlackCallFailed
from storage.repositories import Repositories

log = structlog.get_logger()

LONGEST_SLEEP = 60.0
# After a file that Slack did not delete.
AGAIN_SECONDS = 10.0
_GONE = frozenset({"file_not_found", "file_deleted"})


class TemporaryFileCleanup:
    """Deletes temporary files, after a restart too; `changed` is set when there is a new one."""

    def __init__(
        self,
        storage: Repositories,
        slack: Callable[[str], AsyncWebClient],
        changed: asyncio.Event,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._slack = slack
        self._changed = changed
        self._clock = clock
        self._stopping = False

    def stop(self) -> None:
        """End `run`."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Delete expired files until stopped; no failure ends it."""
        while not self._stopping:
            self._changed.clear()
            try:
                all_gone = await self.delete_expired()
            except Exception:
                log.exception("files.broken")
                all_gone = False
            seconds = await self._until_next() if all_gone else AGAIN_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(min(max(seconds, 0.05), LONGEST_SLEEP)):
                    await self._changed.wait()

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

    async def _until_next(self) -> float:
        at = await self._storage.next_file_expiry()
        return (at - self._clock()).total_seconds() if at is not None else LONGEST_SLEEP
