"""Pauses that a provider has asked for, by the token: they hold for all bots on a database."""

from __future__ import annotations

from datetime import datetime

from storage.connection import Connection
from storage.database import Database
from storage.timestamps import from_text, to_text


class Pauses:
    """Reads and writes until when no request may be sent with a token. `fingerprint` does not reveal the token."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def are_shared(self) -> bool:
        """Whether other bots may use the same tokens."""
        return not self._database.session_locks.is_alone

    async def until(self, fingerprint: str) -> datetime | None:
        """Return the end of the token's last pause, which may be over; None if nothing is known of one."""
        query = "SELECT until FROM pauses WHERE token = ?"
        row = await self._database.read(lambda db: db.execute(query, [fingerprint]).fetchone())
        return from_text(row[0]) if row is not None else None

    async def record(self, fingerprint: str, until: datetime, now: datetime) -> None:
        """Store a pause, unless a longer one is stored, and delete those that are over."""

        def work(db: Connection) -> None:
            db.execute(
                "INSERT INTO pauses (token, until) VALUES (?, ?) ON CONFLICT (token) DO UPDATE"
                " SET until = excluded.until WHERE pauses.until < excluded.until",
                [fingerprint, to_text(until)],
            )
            db.execute("DELETE FROM pauses WHERE until < ?", [to_text(now)])

        await self._database.write(work)
