"""Who delivers to a channel: one process at a time, since messages must stay in order."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from domain.message import Recipient


class ChannelLocks(Protocol):
    """The right to deliver to channels; the only place where a channel's lock is acquired and released."""

    async def acquire(self, to: Recipient) -> float | None:
        """Acquire the channel. Returns since when this process has had it without a break, by `time.monotonic`.

        None if another process has it: that one looks for what is due once more after it has released it.
        """

    async def release(self, to: Recipient) -> None:
        """End a delivery: others may take the channel."""

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""


class LocalChannelLocks:
    """The locks of a bot that is alone with its database: it keeps each channel from its first delivery on."""

    def __init__(self, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._taken: dict[Recipient, float] = {}

    async def acquire(self, to: Recipient) -> float | None:
        """Return when this process has delivered to the channel for the first time."""
        return self._taken.setdefault(to, self._timer())

    async def release(self, to: Recipient) -> None:
        """Keep the channel: nobody else wants it."""

    def forget(self, team: str) -> None:
        """Forget the workspace's channels."""
        self._taken = {to: at for to, at in self._taken.items() if to.team != team}
