"""Exchanging tokens for new ones: each once, however many ask, since what they are exchanged with works but once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

# After a failure it is tried again, ever later: whoever asks meanwhile uses the token as long as it lasts.
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class SingleFlight(Generic[Key]):
    """What is being exchanged, by whose it is, and what could not be."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._under_way: dict[Key, asyncio.Task[None]] = {}
        self._failures: dict[Key, int] = {}
        self._not_before: dict[Key, datetime] = {}

    def is_running(self, key: Key) -> bool:
        """Whether somebody's is being exchanged right now."""
        return key in self._under_way

    def may_start(self, key: Key) -> bool:
        """Whether the pause after the last failure is over."""
        return self._clock() >= self._not_before.get(key, _LONG_AGO)

    async def run_once(self, key: Key, exchange: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Wait for the exchange that is under way, or for this one; `exchange` raises nothing."""
        if key not in self._under_way:
            # A task of its own: whoever asked may be cancelled, and the refresh token would be spent for nothing.
            task = self._under_way[key] = asyncio.create_task(exchange(), name="exchange")
            task.add_done_callback(lambda _: self._under_way.pop(key, None))
        await asyncio.shield(self._under_way[key])

    def record_failure(self, key: Key) -> timedelta:
        """It failed: returns how long nobody tries again."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        pause: timedelta = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
        self._not_before[key] = self._clock() + pause
        return pause

    def record_success(self, key: Key) -> None:
        """It was exchanged, or is nobody's any more."""
        self._failures.pop(key, None)
        self._not_before.pop(key, None)

    async def close(self) -> None:
        """Wait for what is being exchanged: a new token that is not kept is lost, and the old one with it."""
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
