"""Places that many share: nobody gets all of them, and whoever has the fewest gets the next one."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


class LimitReached(Exception):
    """So much of yours is still under way that I can't take on more. Wait until some of it is done, then try again."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass(frozen=True)
class Requester:
    """For whom something is done: a person in a workspace; the bot itself, or nobody in particular, is `""`."""

    team: str = ""
    person: str = ""


NOBODY = Requester()


@dataclass(frozen=True)
class Quota:
    """How many places there are in all, for one workspace and for one person, and how long one is waited for.

    `waiting` is how many of one workspace may wait at a time.
    """

    total: int
    workspace: int
    person: int
    waiting: int
    seconds: float


@dataclass(eq=False)
class _Waiter:
    requester: Requester
    given: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class FairLimiter:
    """Gives out places within a quota.

    A free place goes to the workspace that has the fewest, and within it to whoever came first. Those whose own share
    is used up keep nobody else waiting.
    """

    def __init__(self, quota: Quota) -> None:
        self._quota = quota
        self._total = 0
        self._of_team: Counter[str] = Counter()
        self._of_person: Counter[Requester] = Counter()
        # The workspace whose turn it was last stands at the end.
        self._waiting: dict[str, list[_Waiter]] = {}

    @asynccontextmanager
    async def place(self, requester: Requester) -> AsyncIterator[None]:
        """Wait for a place, and hold it. Raises NoPlace where too many wait already, or it takes too long."""
        await self.acquire(requester)
        try:
            yield
        finally:
            self.release(requester)

    async def acquire(self, requester: Requester) -> None:
        """Wait for a place. Raises NoPlace."""
        # Whoever waits does not fit: so whoever fits overtakes nobody.
        if self._fits(requester):
            self._take(requester)
            return
        queue = self._waiting.setdefault(requester.team, [])
        if len(queue) >= self._quota.waiting:
            raise LimitReached
        waiter = _Waiter(requester)
        queue.append(waiter)
        try:
            async with asyncio.timeout(self._quota.seconds):
                await waiter.given
        except BaseException as problem:
            if waiter.given.done() and not waiter.given.cancelled():
                self.release(requester)
            else:
                self._leave(waiter)
            if isinstance(problem, TimeoutError):
                raise LimitReached from None
            raise

    def release(self, requester: Requester) -> None:
        """Give a place back."""
        self._total -= 1
        self._of_team -= Counter({requester.team: 1})
        self._of_person -= Counter({requester: 1})
        while (waiter := self._next()) is not None:
            self._leave(waiter)
            self._take(waiter.requester)
            if queue := self._waiting.pop(waiter.requester.team, None):
                self._waiting[waiter.requester.team] = queue
            waiter.given.set_result(None)

    def _fits(self, requester: Requester) -> bool:
        quota = self._quota
        if self._total >= quota.total or self._of_team[requester.team] >= quota.workspace:
            return False
        return not requester.person or self._of_person[requester] < quota.person

    def _take(self, requester: Requester) -> None:
        self._total += 1
        self._of_team[requester.team] += 1
        self._of_person[requester] += 1

    def _next(self) -> _Waiter | None:
        if self._total >= self._quota.total:
            return None
        for team in sorted(self._waiting, key=lambda one: self._of_team[one]):
            if self._of_team[team] >= self._quota.workspace:
                return None
            for one in self._waiting[team]:
                # One that was cancelled stands there until its own task goes on.
                if not one.given.done() and self._fits(one.requester):
                    return one
        return None

    def _leave(self, waiter: _Waiter) -> None:
        queue = self._waiting[waiter.requester.team]
        queue.remove(waiter)
        if not queue:
            del self._waiting[waiter.requester.team]
