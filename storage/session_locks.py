"""Locks that one of several bots on a database holds for longer than a transaction."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Protocol

Name = tuple[str, ...]
# Between two tries to get a lock that another bot has.
RETRY_SECONDS = 0.1


def new_worker() -> str:
    """Return a name for a bot's process: 48 bits, so that a lock's number of 64 bits has room for it."""
    return secrets.token_hex(6)


class SessionLocks(Protocol):
    """The locks of one bot. They end with its session at the database, and so with its process.

    `worker` names the bot's process among all that there have ever been; as long as it lives it holds the lock
    ("worker", worker), so whether a process still lives can be read from the database.
    """

    worker: str
    # Whether no other bot can be at work on the same database.
    is_alone: bool

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
    """The locks of a bot that is alone with its database, and so has had all of them since its start."""

    is_alone = True

    def __init__(self, *, timer: Callable[[], float] = time.monotonic) -> None:
        self.worker = new_worker()
        self._started_at = timer()
        self._held: set[Name] = set()

    async def acquire(self, *name: str) -> float | None:
        """Acquire the lock, unless another task has it; return when the bot has started."""
        if name in self._held:
            return None
        self._held.add(name)
        return self._started_at

    async def release(self, *name: str) -> None:
        """Release the lock."""
        self._held.discard(name)

    def is_held(self, *name: str) -> bool:
        """Return whether a task has the lock."""
        return name in self._held


@asynccontextmanager
async def hold(locks: SessionLocks, *name: str, wait_seconds: float) -> AsyncIterator[bool]:
    """Hold the lock for the block, after a wait for whoever else has it; the result is whether it is held.

    Raises DatabaseUnavailable.
    """
    deadline = time.monotonic() + wait_seconds
    while await locks.acquire(*name) is None:
        if time.monotonic() >= deadline:
            yield False
            return
        await asyncio.sleep(RETRY_SECONDS)
    try:
        yield locks.is_held(*name)
    finally:
        await locks.release(*name)
