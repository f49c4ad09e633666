"""Limits of the messages that are sent, the dispatcher's waiting times, and the turns that edits take per workspace.

States are edited first, then log excerpts, then progress.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum

from aiolimiter import AsyncLimiter

from domain.message import Recipient
from storage.budgets import Budget, Budgets
from storage.database import AGAIN_SECONDS, DatabaseUnavailable, WorkspaceGone

# One message a second a channel, short bursts pass (Slack's rules, "Pace").
BURST = 4
# Calls at a time of all channels together.
CALLS_AT_ONCE = 50


@dataclass(frozen=True)
class RateLimits:
    """Limits; notifications above `backlog`, or older than `backlog_age`, are sent as one message.

    `flood`: messages an hour. `settling`: seconds in which a message may still appear after its response was lost.
    `call`: seconds that a call that posts or edits a message may take; storage/postgres_session_locks.py relies on it.
    `takeover`: seconds from when a bot has taken a channel over in which a message of the bot before it may still
    appear, whose last call may have begun just before.
    `rolling`: seconds between two edits of a message that grows. `progress`: seconds between two edits that show
    progress; with the time of the edit itself, people see one every thirty. `calls`: calls at a time, of all channels.
    """

    backlog: int = 10
    backlog_age: timedelta = timedelta(hours=1)
    flood: int = 60
    settling: float = 5.0
    call: float = 10.0
    takeover: float = 12.0
    rolling: float = 5.0
    progress: float = 25.0
    calls: int = CALLS_AT_ONCE


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


SHARED_EDITS = Budget("chat.update", EDITS_A_MINUTE, EDITS_A_MINUTE)


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


class SharedEditPace:
    """Limits one workspace's edits together with all other bots, from one budget; the order is this bot's own."""

    def __init__(self, budgets: Budgets, team: str, budget: Budget = SHARED_EDITS) -> None:
        self._budgets = budgets
        self._team = team
        self._budget = budget
        self._waiters: list[_Waiter] = []
        self._numbers = itertools.count()
        self._news = asyncio.Event()
        self._granting: asyncio.Task[None] | None = None
        self._holding: set[asyncio.Task[None]] = set()
        self._spare = 0

    async def acquire(self, urgency: Urgency, *, since: float = 0) -> None:
        """Wait for this edit's turn; `since` orders edits of the same urgency."""
        granted = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiters, _Waiter(urgency, since, next(self._numbers), granted))
        self._news.set()
        if self._granting is None or self._granting.done():
            self._granting = asyncio.create_task(self._grant(), name="turns of edits")
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._spare += 1
            self._news.set()
            raise

    def hold(self, seconds: float) -> None:
        """Allow no edit for so many seconds, because Slack asked for a pause."""
        task = asyncio.create_task(self._hold(seconds), name="pause of edits")
        self._holding.add(task)
        task.add_done_callback(self._holding.discard)

    async def _hold(self, seconds: float) -> None:
        # Without the database nothing is edited meanwhile.
        with suppress(DatabaseUnavailable, WorkspaceGone):
            await self._budgets.hold(self._team, self._budget, seconds)

    async def _grant(self) -> None:
        try:
            await self._grant_in_turn()
        except Exception as problem:  # noqa: BLE001 - it is the waiting edits' error
            while (waiter := self._first()) is not None:
                waiter.granted.set_exception(problem)

    async def _grant_in_turn(self) -> None:
        while (first := self._first()) is not None:
            self._news.clear()
            seconds = await self._take(first.urgency)
            if seconds == 0:
                # Something more urgent may have come meanwhile.
                if (first := self._first()) is None:
                    self._spare += 1
                    return
                heapq.heappop(self._waiters)
                first.granted.set_result(None)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._news.wait()

    def _first(self) -> _Waiter | None:
        while self._waiters and self._waiters[0].granted.done():
            heapq.heappop(self._waiters)
        return self._waiters[0] if self._waiters else None

    async def _take(self, urgency: Urgency) -> float:
        if self._spare:
            self._spare -= 1
            return 0
        try:
            return await self._budgets.take(self._team, self._budget, reserved=_RESERVED[urgency])
        except DatabaseUnavailable:
            return AGAIN_SECONDS
        except WorkspaceGone:
            return 0  # Slack refuses the edit


class EditPaces:
    """The paces of all workspaces' edits."""

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._paces: dict[str, EditPace | SharedEditPace] = {}

    def of(self, team: str) -> EditPace | SharedEditPace:
        """Return the workspace's pace."""
        if team not in self._paces:
            is_shared = self._budgets.is_needed
            self._paces[team] = SharedEditPace(self._budgets, team) if is_shared else EditPace()
        return self._paces[team]

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        self._paces.pop(team, None)
