"""The order and the pace in which one workspace's messages are edited: a state before an excerpt before progress."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

# chat.update is let through fifty times a minute for the whole workspace (Slack's rules, "Pace"); some of it is left
# to logs that are followed.
EDITS_A_MINUTE = 36


class Urgency(IntEnum):
    """What an edit is for; the lower number goes first."""

    STATE = 0
    EXCERPT = 1
    PROGRESS = 2


# So many edits stay free for what is more urgent, so that a state that changes hardly ever waits.
_RESERVED = {Urgency.STATE: 0, Urgency.EXCERPT: 9, Urgency.PROGRESS: 18}


@dataclass(order=True)
class _Waiter:
    urgency: Urgency
    since: float
    number: int
    given: asyncio.Future[None] = field(compare=False)


class EditPace:
    """Lets one workspace's edits through, the most urgent first, and among equals the one that has waited longest."""

    def __init__(
        self, a_minute: int = EDITS_A_MINUTE, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = float(a_minute)
        self._a_second = a_minute / 60
        self._monotonic = monotonic
        self._free, self._at = self._most, monotonic()
        self._waiters: list[_Waiter] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    async def acquire(self, urgency: Urgency, *, since: float = 0) -> None:
        """Wait for this edit's turn; `since` orders edits of the same urgency."""
        given = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, _Waiter(urgency, since, next(self._numbers), given))
        self._give()
        try:
            await given
        except asyncio.CancelledError:
            if given.done() and not given.cancelled():
                self._free += 1
            self._give()
            raise

    def hold(self, seconds: float) -> None:
        """Let nothing through for so long: Slack has asked for it."""
        self._refill()
        self._free = min(self._free, -seconds * self._a_second)

    def _refill(self) -> None:
        now = self._monotonic()
        self._free = min(self._most, self._free + (now - self._at) * self._a_second)
        self._at = now

    def _give(self) -> None:
        self._refill()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiters:
            first = self._waiters[0]
            needed = min(1 + _RESERVED[first.urgency], self._most)
            if first.given.done():
                heapq.heappop(self._waiters)
            elif self._free >= needed:
                heapq.heappop(self._waiters)
                self._free -= 1
                first.given.set_result(None)
            else:
                missing = (needed - self._free) / self._a_second
                self._timer = asyncio.get_running_loop().call_later(missing + 0.001, self._give)
                return
