"""Deliveries from Slack that were handled already, so that retries are ignored, even after a restart."""

from __future__ import annotations

from datetime import datetime

from storage.connection import Connection
from storage.database import Database
from storage.timestamps import to_text


class SlackDeliveries:
    """Fingerprints of deliveries with their expiry, per workspace, so that busy workspaces don't evict others."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, team: str, fingerprint: str, *, now: datetime, until: datetime) -> bool:
        """Store a delivery durably. Returns False if it was stored before. Raises WorkspaceGone."""
        row = [team, fingerprint, to_text(until)]

        def work(db: Connection) -> bool:
            db.execute("DELETE FROM deliveries WHERE expires_at < ?", [to_text(now)])
            return bool(
                db.execute("INSERT INTO deliveries VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row).rowcount
            )

        return await self._database.of(team).write(work)
