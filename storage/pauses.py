"""Pauses that a provider has asked for, by the token: they hold for all bots on a database."""

from __future__ import annotations

from datetime import timedelta

from storage.connection import Connection
from storage.database import Database
from storage.timestamps import from_text, to_text


class Pauses:
    """Reads and writes how long no request may be sent with a token. `fingerprint` does not reveal the token.

    Ends of pauses are by the database's clock: those of the bots may differ, and change.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def are_shared(self) -> bool:
        """Whether other bots may use the same tokens."""
        return not self._database.session_locks.is_alone

    async def seconds_left(self, fingerprint: str) -> float:
        """Return how long the token's pause still lasts; none, or less than none, if there is no pause."""

        def work(db: Connection) -> float:
            row = db.execute("SELECT until FROM pauses WHERE token = ?", [fingerprint]).fetchone()
            until = from_text(row[0]) if row is not None else None
            return (until - db.now()).total_seconds() if until is not None else 0.0

        return await self._database.read(work)

    async def record(self, fingerprint: str, seconds: float) -> None:
        """Store a pause, unless a longer one is stored, and delete those that are over."""

        def work(db: Connection) -> None:
            now = db.now()
            db.execute(
                "INSERT INTO pauses (token, until) VALUES (?, ?) ON CONFLICT (token) DO UPDATE"
                " SET until = excluded.until WHERE pauses.until < excluded.until",
                [fingerprint, to_text(now + timedelta(seconds=seconds))],
            )
            db.execute("DELETE FROM pauses WHERE until < ?", [to_text(now)])

        await self._database.write(work)
