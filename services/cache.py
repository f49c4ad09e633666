"""The cache of answers from Slack and the providers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from cachetools import TTLCache

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


@dataclass(frozen=True)
class _Entry(Generic[ValueT]):
    value: ValueT
    at: datetime


class Cache(Generic[KeyT, ValueT]):
    """Values by key, each for a limited time; if there are too many, the least recently used ones are dropped."""

    def __init__(self, *, max_age: timedelta, max_size: int, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._entries: TTLCache[KeyT, _Entry[ValueT]] = TTLCache(
            max_size, max_age.total_seconds(), timer=lambda: clock().timestamp()
        )
        self._loading: dict[KeyT, asyncio.Task[ValueT]] = {}

    def get(self, key: KeyT) -> ValueT | None:
        """Return the value; None if there is none."""
        entry = self._entries.get(key)
        return entry.value if entry is not None else None

    def store(self, key: KeyT, value: ValueT) -> None:
        """Store a value."""
        self._loading.pop(key, None)  # what is being loaded is older
        self._entries[key] = _Entry(value, self._clock())

    async def load(
        self, key: KeyT, load: Callable[[], Awaitable[ValueT]], *, max_age: timedelta | None = None
    ) -> ValueT:
        """Return the value, no older than `max_age`; load and store it if there is none.

        Requests that need the same value share one load, which goes on if they are cancelled. Raises what `load`
        raises; errors are not stored.
        """
        entry = self._entries.get(key)
        if entry is not None and (max_age is None or self._clock() - entry.at <= max_age):
            return entry.value
        if (task := self._loading.get(key)) is None:
            task = asyncio.create_task(self._load(key, load), name="cache")
            self._loading[key] = task
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return await asyncio.shield(task)

    async def _load(self, key: KeyT, load: Callable[[], Awaitable[ValueT]]) -> ValueT:
        task, at = asyncio.current_task(), self._clock()
        try:
            value = await load()
            if self._loading.get(key) is task:  # else it was forgotten meanwhile
                self._entries[key] = _Entry(value, at)
            return value
        finally:
            if self._loading.get(key) is task:
                del self._loading[key]

    def forget(self, matches: Callable[[KeyT], bool] = lambda _key: True) -> None:
        """Drop the values of the matching keys, by default all, and what is being loaded for them."""
        for entries in (self._entries, self._loading):
            for key in [key for key in entries if matches(key)]:
                entries.pop(key, None)
