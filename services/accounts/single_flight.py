"""Refreshes a token once, even if several requests need it at the same time: refresh tokens are single-use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

# After a failure the next try waits, longer each time; until then the old token is used while it is valid.
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class SingleFlight(Generic[Key]):
    """The refreshes in progress and the failed ones, by the token's owner."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._failures: dict[Key, int] = {}
        self._not_before: dict[Key, datetime] = {}

    def is_running(self, key: Key) -> bool:
        """Return whether this owner's token is being refreshed now."""
        return key in self._running

    def may_start(self, key: Key) -> bool:
        """Return whether the pause after the last failure is over."""
        return self._clock() >= self._not_before.get(key, _LONG_AGO)

    async def run_once(self, key: Key, refresh: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait for the refresh in progress, or start this one; `refresh` raises nothing."""
        if key not in self._running:
            # In its own task: if the request were cancelled in between, the refresh token would be spent for nothing.
            task = self._running[key] = asyncio.create_task(refresh(), name="exchange")
            task.add_done_callback(lambda _: self._running.pop(key, None))
        await asyncio.shield(self._running[key])

    def record_failure(self, key: Key) -> timedelta:
        """Record a failure; return the pause before the next try."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause: timedelta = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
        self._not_before[key] = self._clock() + pause
        return pause

    def record_success(self, key: Key) -> None:
        """Record a success, or that the account no longer works; this ends the pause."""
        self._failures.pop(key, None)
        self._not_before.pop(key, None)

    async def close(self) -> None:
        """Wait for refreshes in progress: an unstored new token is lost, and the old one is already spent."""
        await asyncio.gather(*self._running.values(), return_exceptions=True)
