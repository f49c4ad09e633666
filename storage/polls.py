"""The status of each token's polls, so that several bots on one database poll a token once and know the same of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from operator import methodcaller
from typing import Any

from domain.poll_status import PollStatus
from domain.provider import Provider
from domain.unit import Unit
from storage.connection import Connection
from storage.database import Database
from storage.timestamps import from_text, to_text
from storage.watched_builds import lock_watching

_COLUMNS = (
    "polled, revision, requested, answered, next_at, not_before, failures, reason, last_success, last_read"
)


class PollSuperseded(Exception):
    """Another bot has polled with the token since this poll began, so its result is not stored."""


class Polls:
    """Reads and writes the status of polls.

    A bot that is alone with its database stores none: what it remembers is right. Times are the database's: the clocks
    of several machines may differ.
    """

    def __init__(
        self, database: Database, time: Callable[[Connection], datetime] = methodcaller("now")
    ) -> None:
        self._database = database
        self.time = time

    @property
    def are_shared(self) -> bool:
        """Whether other bots may poll with the same tokens."""
        return not self._database.session_locks.is_alone

    async def read(self, token: str, provider: Provider) -> PollStatus:
        """Return the status of the token's polls. Raises DatabaseUnavailable."""
        query = f"SELECT {_COLUMNS} FROM polls WHERE token = ?"

        def work(db: Connection) -> PollStatus | None:
            row = db.execute(query, [token]).fetchone()
            return _status(row, self.time(db)) if row is not None else None

        def add(db: Connection) -> PollStatus:
            # A change that is under way could not raise the revision of a row that was not there: what is watched is
            # read after it.
            lock_watching(db, [provider])
            db.execute(
                "INSERT INTO polls (token, provider) VALUES (?, ?) ON CONFLICT DO NOTHING", [token, provider]
            )
            return _status(db.execute(query, [token]).fetchone(), self.time(db))

        status = await self._database.read(work)
        return status if status is not None else await self._database.write(add)

    async def request(self, unit: Unit, key: str, token: str) -> None:
        """Wake the unit for the key; whichever bot takes that up finds that a poll with the token is requested."""

        def work(db: Connection) -> None:
            if self.are_shared:
                db.execute("UPDATE polls SET requested = requested + 1 WHERE token = ?", [token])
            db.wake(unit, key)

        await self._database.write(work)

    async def finish(self, token: str, status: PollStatus, *, pause: float, shortest: float) -> PollStatus:
        """Store how a poll has ended, and that the next one is due after `pause`, or `shortest` if it is requested.

        Both are in seconds. Returns the status with what others have changed in it meanwhile. Raises PollSuperseded.
        """
        query = (
            "UPDATE polls SET polled = polled + 1, answered = ?, next_at = ?, not_before = ?, failures = ?, reason = ?,"
            f" last_success = ?, last_read = ? WHERE token = ? AND polled = ? RETURNING {_COLUMNS}"
        )

        def work(db: Connection) -> PollStatus:
            now = self.time(db)
            values = [
                status.answered,
                to_text(now + timedelta(seconds=pause)),
                to_text(now + timedelta(seconds=shortest)),
                status.failures,
                status.reason,
                to_text(status.last_success),
                status.last_read,
                token,
                status.polled,
            ]
            row = db.execute(query, values).fetchone()
            if row is None:
                raise PollSuperseded
            return _status(row, now)

        return await self._database.write(work)

    async def hand_over(self, unit: Unit, key: str, token: str, polled: int) -> None:
        """Wake the unit for the key, so that another bot makes the poll after this one's: as soon as it is allowed.

        After a failure it is made when it was due. Nothing happens if another bot has polled since.
        """
        query = "UPDATE polls SET next_at = not_before WHERE token = ? AND polled = ? AND failures = 0"

        def work(db: Connection) -> None:
            if db.execute(query, [token, polled]).rowcount:
                db.wake(unit, key)

        await self._database.write(work)


def advance_poll(db: Connection, token: str, polled: int) -> None:
    """Note that a poll stores a result; for use inside its transaction. Raises PollSuperseded."""
    query = "UPDATE polls SET polled = polled + 1 WHERE token = ? AND polled = ?"
    if not db.execute(query, [token, polled]).rowcount:
        raise PollSuperseded


def raise_watch_revision(db: Connection, providers: Iterable[str] | None = None) -> None:
    """Let all bots read again what is watched at these providers, None: at all; for use inside a transaction."""
    known = Provider.all() if providers is None else providers
    for provider in sorted(set(known)):
        db.execute("UPDATE polls SET revision = revision + 1 WHERE provider = ?", [provider])


def _status(row: Any, now: datetime) -> PollStatus:
    polled, revision, requested, answered, next_at, not_before, failures, reason, success, last_read = row
    return PollStatus(
        polled=polled,
        revision=revision,
        requested=requested,
        answered=answered,
        next_at=from_text(next_at),
        not_before=from_text(not_before),
        failures=failures,
        reason=reason,
        last_success=from_text(success),
        last_read=last_read,
        read_at=now,
    )
