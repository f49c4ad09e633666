"""Tasks that were started for users of a workspace."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any


class WorkspaceTasks:
    """Running tasks, each with a key that begins with the id of its workspace; several may have the same key."""

    def __init__(self) -> None:
        self._keys: dict[asyncio.Task[None], tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        """Iterate over the keys."""
        return iter(tuple(self._keys.values()))

    def count(self, *key: str) -> int:
        """Return the number of tasks whose keys begin with these parts."""
        return sum(1 for other in self._keys.values() if other[: len(key)] == key)

    def start(
        self, key: tuple[str, ...], work: Coroutine[Any, Any, None], *, name: str
    ) -> asyncio.Task[None]:
        """Start a task."""
        task = asyncio.create_task(work, name=name)
        self._keys[task] = key
        task.add_done_callback(self._keys.pop)
        return task

    def forget(self, team: str) -> None:
        """Cancel the tasks of a workspace: the app was uninstalled from it."""
        for task, key in self._keys.items():
            if key[0] == team:
                task.cancel()

    async def wait(self) -> None:
        """Wait until all tasks have ended; their errors are ignored."""
        await asyncio.gather(*self._keys, return_exceptions=True)

    async def cancel(self) -> None:
        """Cancel all tasks, and wait until they have ended."""
        for task in self._keys:
            task.cancel()
        await self.wait()
