"""Messages that are hidden again after a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from services.jobs.background_job import BackgroundJob
from services.jobs.workspace_tasks import WorkspaceTasks

log = structlog.get_logger()

SHOWN_SECONDS = 60.0
# A response_url takes five responses (Slack's rules, "Answering"): one has shown the message, the others may hide it.
MAX_TRIES = 4
AGAIN_SECONDS = 5.0

# Hides a message; returns whether Slack has hidden it.
HideMessage = Callable[[], Awaitable[bool]]


class MessageExpiry(BackgroundJob):
    """Hides each message when its time is over, and all that are left when it is stopped.

    Nothing is stored: secrets must not be found in the database.
    """

    name = "hidden messages"

    def __init__(self, *, seconds: float = SHOWN_SECONDS, again_seconds: float = AGAIN_SECONDS) -> None:
        super().__init__()
        self._seconds = seconds
        self._again_seconds = again_seconds
        self._tasks = WorkspaceTasks()

    async def run_once(self) -> float | None:
        """Do nothing: each message has a task of its own."""
        return None

    async def finish(self) -> None:
        """Hide all messages at once."""
        await self._tasks.wait()

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        self._tasks.forget(team)

    async def hide_later(self, team: str, hide: HideMessage) -> None:
        """Hide a message when its time is over; at once if the bot is stopping."""
        task = self._tasks.start((team,), self._hide(hide), name="hidden message")
        if self._stopping.is_set():
            await asyncio.wait({task})

    async def _hide(self, hide: HideMessage) -> None:
        await self.pause(self._seconds)
        for number in range(1, MAX_TRIES + 1):
            try:
                if await hide():
                    return
            except Exception as problem:  # noqa: BLE001 - any failure is tried again
                log.info("vanish.later", reason=type(problem).__name__)
            if number < MAX_TRIES:
                await self.pause(self._again_seconds)
        log.warning("vanish.not_taken_away")
