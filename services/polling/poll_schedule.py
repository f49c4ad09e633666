"""The schedule of one token's polls: of all bots on the database, one polls, and the others step in if it is late."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from domain.poll_status import PollStatus
from domain.provider import Provider
from domain.unit import Unit
from storage.polls import PollSuperseded
from storage.repositories import Repositories

log = structlog.get_logger()

# However often a poll is requested.
SHORTEST_PAUSE = 0.2
# A poll that is later than this is made by another bot: the one that polled last was stopped, or is overloaded.
GRACE_SECONDS = 0.3
# After these seconds a bot looks again whether another one still polls.
BUSY_SECONDS = 1.0
# What is said of the polls of other bots is at most this old.
STATUS_SECONDS = 1.0


@dataclass(frozen=True)
class PollEnd:
    """How a poll has ended: the new status, and the seconds until the next one, `shortest` if it is requested."""

    status: PollStatus
    pause: float
    shortest: float = SHORTEST_PAUSE


class PollSchedule:
    """Decides when this bot polls with a token, and remembers how the polls go.

    The bot that polled last also makes the next poll, since it has the last responses in memory. All others wait until
    a poll is late, or requested. A bot that is alone with its database polls whenever it is asked to.

    `status` is what was last known of the polls, whichever bot made them. `is_continued` says of the poll that is being
    made that this bot has made the one before it, too, so that what it has in memory since then is true.
    """

    def __init__(self, storage: Repositories, provider: Provider, token: str) -> None:
        self._storage = storage
        self._provider = provider
        self._token = token
        self.status = PollStatus()
        self.is_continued = True
        # What the poll that is being made has started from, and what it has changed since.
        self._current: PollStatus | None = None
        # The number of polls after this bot's last one.
        self._polled: int | None = None
        # Times of the event loop, so that a change of the system clock does not matter to this bot's own polls.
        self._next_at = 0.0
        self._not_before = 0.0
        self._read_at = 0.0

    @property
    def is_shared(self) -> bool:
        """Whether other bots may poll with the token."""
        return self._storage.polls.are_shared

    @property
    def current(self) -> PollStatus:
        """The status that the poll which is being made has started from, and what it has changed since."""
        return self._current or self.status

    @property
    def revision(self) -> int:
        """The revision of what is watched when the poll started."""
        if self._current is None or not self.is_shared:
            return self._storage.subscriptions.revision
        return self._current.revision

    @property
    def guard(self) -> int | None:
        """The number of polls that must still be stored when the poll stores a result; None if nobody else polls."""
        return self._current.polled if self._current is not None and self.is_shared else None

    def note_recorded(self) -> None:
        """Note that the poll has stored a result."""
        if self._current is not None:
            self._current = replace(self._current, polled=self._current.polled + 1)

    def note_last_read(self, app_slug: str) -> None:
        """Note the last of the apps whose turn it was."""
        if self._current is not None:
            self._current = replace(self._current, last_read=app_slug)

    async def refresh(self) -> None:
        """Read how the polls of other bots go, if that was not read a moment ago. Raises DatabaseUnavailable."""
        if self.is_shared and asyncio.get_running_loop().time() - self._read_at >= STATUS_SECONDS:
            await self._read()

    async def request(self, unit: Unit, key: str) -> None:
        """Let the unit be run, by whichever bot, and poll at once. Raises DatabaseUnavailable."""
        await self._storage.polls.request(unit, key, self._token)

    async def hand_over(self, unit: Unit, key: str) -> None:
        """Let another bot poll from now on, if this one did: it is about to stop. Raises DatabaseUnavailable."""
        if self.is_shared and self._polled is not None:
            await self._storage.polls.hand_over(unit, key, self._token, self._polled)

    async def run(self, poll: Callable[[], Awaitable[PollEnd]]) -> float:
        """Poll if it is this bot's turn; return the seconds until it may be its turn again.

        Raises DatabaseUnavailable, and what `poll` raises.
        """
        if not self.is_shared:
            return await self._poll_locally(poll)
        early = self._seconds_left(await self._read())
        if early > 0:
            return early
        locks = self._storage.database.session_locks
        if await locks.acquire("poll", self._token) is None:
            return BUSY_SECONDS
        try:
            # What was read without the lock may have been of before another bot's poll.
            early = self._seconds_left(await self._read())
            return early if early > 0 else await self._poll_with_lock(poll)
        except PollSuperseded:
            # This process has slept in the middle of the poll, and lost the lock.
            log.info("watch.superseded", token=self._token)
            self._polled = None
            return BUSY_SECONDS
        finally:
            self._current = None
            await locks.release("poll", self._token)

    async def _poll_locally(self, poll: Callable[[], Awaitable[PollEnd]]) -> float:
        loop = asyncio.get_running_loop()
        early = self._not_before - loop.time()
        if early > 0:
            return early
        end = await poll()
        self.status = end.status
        self._not_before = loop.time() + end.shortest
        return end.pause

    async def _poll_with_lock(self, poll: Callable[[], Awaitable[PollEnd]]) -> float:
        self._current = started = self.status
        self.is_continued = started.polled == self._polled
        end = await poll()
        loop = asyncio.get_running_loop()
        ended = replace(end.status, answered=started.requested)
        self.status = await self._storage.polls.finish(
            self._token, ended, pause=end.pause, shortest=end.shortest
        )
        self._polled = self.status.polled
        self._next_at, self._not_before = loop.time() + end.pause, loop.time() + end.shortest
        return end.shortest if self.status.is_requested else end.pause

    def _seconds_left(self, status: PollStatus) -> float:
        """Return how long this bot has to wait before it polls; it must not if that is more than zero."""
        if status.polled == self._polled:
            due = self._not_before if status.is_requested else self._next_at
            return due - asyncio.get_running_loop().time()
        if status.is_requested:
            return status.seconds_until(status.not_before)
        return status.seconds_until(status.next_at) + GRACE_SECONDS if status.next_at is not None else 0.0

    async def _read(self) -> PollStatus:
        self.status = await self._storage.polls.read(self._token, self._provider)
        self._read_at = asyncio.get_running_loop().time()
        return self.status
