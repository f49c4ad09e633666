"""Messages that are hidden again after a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog

log = structlog.get_logger()

SHOWN_SECONDS = 60.0
# A response_url takes five responses (Slack's rules, "Answering"): one has shown the message, the others may hide it.
MOST_TRIES = 4
AGAIN_SECONDS = 5.0

# Hides a message; returns whether Slack has hidden it.
HideMessage = Callable[[], Awaitable[bool]]


class MessageExpiry:
    """Hides each message when its time is over; `run` hides all that are left when it is stopped.

    Nothing is stored: secrets must not be found in the database.
    """

    def __init__(self, *, seconds: float = SHOWN_SECONDS, again_seconds: float = AGAIN_SECONDS) -> None:
        self._seconds = seconds
        self._again_seconds = again_seconds
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End `run`."""
        self._stopping.set()

    async def run(self) -> None:
        """Wait until stopped, then hide all messages at once."""
        await self._stopping.wait()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        for task, workspace in self._tasks.items():
            if workspace == team:
                task.cancel()

    async def hide_later(self, team: str, hide: HideMessage) -> None:
        """Hide a message when its time is over; at once if the bot is stopping."""
        task = asyncio.create_task(self._hide(hide), name="vanish")
        self._tasks[task] = team
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        if self._stopping.is_set():
            await asyncio.wait({task})

    async def _hide(self, hide: HideMessage) -> None:
        await self._wait(self._seconds)
        for number in range(1, MOST_TRIES + 1):
            try:
                if await hide():
                    return
            except Exception as problem:  # noqa: BLE001 - any failure is tried again
                log.info("vanish.later", reason=type(problem).__name__)
            if number < MOST_TRIES:
                await self._wait(self._again_seconds)
        log.warning("vanish.not_taken_away")

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
