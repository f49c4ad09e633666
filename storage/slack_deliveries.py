"""Deliveries from Slack that were handled already, so that retries are ignored: after a restart, and by other bots."""

from __future__ import annotations

from datetime import datetime

from storage.connection import Connection
from storage.database import Database
from storage.timestamps import to_text


class SlackDeliveries:
    """Fingerprints of deliveries with their expiry, per workspace, so that busy workspaces don't evict others."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def must_take_reads(self) -> bool:
        """Whether requests that only read are taken too, since their repetition may reach another bot.

        While the database is away, they are answered without.
        """
        return not self._database.session_locks.is_alone and self._database.is_available

    async def take(self, team: str, fingerprint: str, *, now: datetime, until: datetime) -> bool:
        """Store a delivery durably. Returns False if it was stored before. Raises WorkspaceGone."""
        query = (
            "INSERT INTO deliveries (team_id, fingerprint, expires_at) VALUES (?, ?, ?)"
            " ON CONFLICT (team_id, fingerprint) DO UPDATE SET expires_at = excluded.expires_at"
            " WHERE deliveries.expires_at < ?"
        )
        row = [team, fingerprint, to_text(until), to_text(now)]
        return await self._database.of(team).write(lambda db: db.execute(query, row).rowcount == 1)

    async def delete_expired(self, now: datetime) -> int:
        """Delete the deliveries that Slack does not repeat any more. Returns how many."""
        query = "DELETE FROM deliveries WHERE expires_at < ?"

        def work(db: Connection) -> int:
            return db.execute(query, [to_text(now)]).rowcount

        return await self._database.write(work)
