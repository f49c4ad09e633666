"""Locks that one of several bots on a database holds for longer than a transaction."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

Name = tuple[str, ...]


class SessionLocks(Protocol):
    """The locks of one bot. They end with its session at the database, and so with its process.

    `worker` names the bot's process among all that there have ever been; as long as it lives it holds the lock
    ("worker", worker), so whether a process still lives can be read from the database.
    """

    worker: str

    async def acquire(self, *name: str) -> float | None:
        """Acquire the lock of this name at once; return since when this bot has had it, by `time.monotonic`.

        None if another bot has it, or another task of this one. Raises DatabaseUnavailable.
        """

    async def release(self, *name: str) -> None:
        """Release the lock. A lock that was lost with the session is released already."""

    def is_held(self, *name: str) -> bool:
        """Return whether the lock is certainly held at this moment: the session was seen alive a short time ago.

        What only the lock's holder may do, such as posting to Slack, must not begin otherwise.
        """


class LocalSessionLocks:
    """The locks of a bot that is alone with its database."""

    def __init__(self, *, timer: Callable[[], float]) -> None:
        self.worker = secrets.token_hex(8)
        self._timer = timer
        self._held: dict[Name, float] = {}

    async def acquire(self, *name: str) -> float | None:
        """Acquire the lock, unless another task has it."""
        if name in self._held:
            return None
        self._held[name] = self._timer()
        return self._held[name]

    async def release(self, *name: str) -> None:
        """Release the lock."""
        self._held.pop(name, None)

    def is_held(self, *name: str) -> bool:
        """Return whether a task has the lock."""
        return name in self._held
