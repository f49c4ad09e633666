"""Limits of the messages that are sent, the dispatcher's waiting times, and the turns that edits take per workspace.

States are edited first, then log excerpts, then progress.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum

from aiolimiter import AsyncLimiter

from domain.message import Recipient

# One message a second a channel, short bursts pass (Slack's rules, "Pace").
BURST = 4
# Calls of all channels together.
CALLS_AT_ONCE = 50


@dataclass(frozen=True)
class RateLimits:
    """Limits; notifications above `backlog`, or older than `backlog_age`, are sent as one message.

    `flood`: messages an hour. `settling`: seconds in which a message may still appear after its response was lost.
    `call`: seconds that a call that posts or edits a message may take; storage/postgres_session_locks.py relies on it.
    `takeover`: seconds from when a bot has taken a channel over in which a message of the bot before it may still
    appear, whose last call may have begun just before.
    `rolling`: seconds between two edits of a message that grows. `progress`: seconds between two edits that show
    progress; with the time of the edit itself, people see one every thirty.
    """

    backlog: int = 10
    backlog_age: timedelta = timedelta(hours=1)
    flood: int = 60
    settling: float = 5.0
    call: float = 10.0
    takeover: float = 12.0
    rolling: float = 5.0
    progress: float = 25.0


class MessagePace:
    """Limits the messages of each channel to one a second."""

    def __init__(self) -> None:
        self._limiters: dict[Recipient, AsyncLimiter] = {}

    async def acquire(self, to: Recipient) -> None:
        """Wait until the channel may get another message."""
        await self._limiters.setdefault(to, AsyncLimiter(BURST, BURST)).acquire()

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        self._limiters = {to: limiter for to, limiter in self._limiters.items() if to.team != team}


# Slack allows fifty chat.update calls a minute per workspace (Slack's rules, "Pace"); the rest is for followed logs.
EDITS_A_MINUTE = 36


class Urgency(IntEnum):
    """The purpose of an edit; the lower number goes first."""

    STATE = 0
    EXCERPT = 1
    PROGRESS = 2


# Edits that stay reserved for more urgent ones, so that a state change hardly ever waits.
_RESERVED = {Urgency.STATE: 0, Urgency.EXCERPT: 9, Urgency.PROGRESS: 18}


@dataclass(order=True)
class _Waiter:
    urgency: Urgency
    since: float
    number: int
    granted: asyncio.Future[None] = field(compare=False)


class EditPace:
    """Limits one workspace's edits: the most urgent first, and among equals the one that has waited longest."""

    def __init__(
        self, a_minute: int = EDITS_A_MINUTE, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._capacity = float(a_minute)
        self._a_second = a_minute / 60
        self._monotonic = monotonic
        self._free, self._at = self._capacity, monotonic()
        self._waiters: list[_Waiter] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    async def acquire(self, urgency: Urgency, *, since: float = 0) -> None:
        """Wait for this edit's turn; `since` orders edits of the same urgency."""
        granted = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, _Waiter(urgency, since, next(self._numbers), granted))
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._free += 1
            self._grant()
            raise

    def hold(self, seconds: float) -> None:
        """Allow no edit for so many seconds, because Slack asked for a pause."""
        self._refill()
        self._free = min(self._free, -seconds * self._a_second)

    def _refill(self) -> None:
        now = self._monotonic()
        self._free = min(self._capacity, self._free + (now - self._at) * self._a_second)
        self._at = now

    def _grant(self) -> None:
        self._refill()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiters:
            first = self._waiters[0]
            needed = min(1 + _RESERVED[first.urgency], self._capacity)
            if first.granted.done():
                heapq.heappop(self._waiters)
            elif self._free >= needed:
                heapq.heappop(self._waiters)
                self._free -= 1
                first.granted.set_result(None)
            else:
                shortfall = (needed - self._free) / self._a_second
                self._timer = asyncio.get_running_loop().call_later(shortfall + 0.001, self._grant)
                return
