"""A limiter of concurrent work with fair shares: the workspace that uses the fewest slots gets the next one."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TypeVar


class LimitReached(Exception):
    """Too many of your requests are still running. Try again when some of them have finished."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass(frozen=True)
class Requester:
    """The person and workspace for whom work is done; `""` is the bot itself, or nobody in particular."""

    team: str = ""
    person: str = ""


NOBODY = Requester()


@dataclass(frozen=True)
class Quota:
    """The number of slots in total, per workspace and per person, and how many seconds to wait for one.

    `waiting` is how many requests of one workspace may wait at a time.
    """

    total: int
    workspace: int
    person: int
    waiting: int
    seconds: float


@dataclass(eq=False)
class _Waiter:
    requester: Requester
    granted: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


T = TypeVar("T")


def _subtract_one(counter: Counter[T], key: T) -> None:
    """Subtract one; only what is in use keeps its place in memory."""
    if counter[key] > 1:
        counter[key] -= 1
    else:
        del counter[key]


class FairLimiter:
    """Grants slots within a quota.

    A free slot goes to the workspace that uses the fewest, and within it to the first in the queue. A person who has
    used up their own share blocks nobody else.
    """

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._total = 0
        self._by_team: Counter[str] = Counter()
        self._by_person: Counter[Requester] = Counter()
        # The workspace that was served last is at the end.
        self._waiting: dict[str, list[_Waiter]] = {}

    async def acquire(self, requester: Requester) -> None:
        """Wait for a slot, and take it. Raises LimitReached if too many wait already or it takes too long."""
        # All that wait have no capacity, so this one overtakes nobody.
        if self._has_capacity(requester):
            self._grant(requester)
            return
        queue = self._waiting.setdefault(requester.team, [])
        if len(queue) >= self._quota.waiting:
            raise LimitReached
        waiter = _Waiter(requester)
        queue.append(waiter)
        try:
            async with asyncio.timeout(self._quota.seconds):
                await waiter.granted
        except BaseException as problem:
            if waiter.granted.done() and not waiter.granted.cancelled():
                self.release(requester)
            else:
                self._remove_waiter(waiter)
            if isinstance(problem, TimeoutError):
                raise LimitReached from None
            raise

    def release(self, requester: Requester) -> None:
        """Return a slot."""
        self._total -= 1
        _subtract_one(self._by_team, requester.team)
        _subtract_one(self._by_person, requester)
        while (waiter := self._next_waiter()) is not None:
            self._remove_waiter(waiter)
            self._grant(waiter.requester)
            if queue := self._waiting.pop(waiter.requester.team, None):
                self._waiting[waiter.requester.team] = queue
            waiter.granted.set_result(None)

    def _has_capacity(self, requester: Requester) -> bool:
        quota = self._quota
        if self._total >= quota.total or self._by_team[requester.team] >= quota.workspace:
            return False
        return not requester.person or self._by_person[requester] < quota.person

    def _grant(self, requester: Requester) -> None:
        self._total += 1
        self._by_team[requester.team] += 1
        self._by_person[requester] += 1

    def _next_waiter(self) -> _Waiter | None:
        if self._total >= self._quota.total:
            return None
        for team in sorted(self._waiting, key=lambda team: self._by_team[team]):
            if self._by_team[team] >= self._quota.workspace:
                return None
            for waiter in self._waiting[team]:
                # A cancelled one stays in the queue until its own task continues.
                if not waiter.granted.done() and self._has_capacity(waiter.requester):
                    return waiter
        return None

    def _remove_waiter(self, waiter: _Waiter) -> None:
        queue = self._waiting[waiter.requester.team]
        queue.remove(waiter)
        if not queue:
            del self._waiting[waiter.requester.team]
