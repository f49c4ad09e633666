"""What Slack has delivered and the bot has taken up, so that it is not done again, after a restart neither."""

from __future__ import annotations

from datetime import datetime

import sqlite_utils

from storage.database import Database
from storage.timestamps import to_text


class SlackDeliveries:
    """Fingerprints, each until its end: of each workspace by itself, so that busy ones push nobody's out."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, team: str, fingerprint: str, *, now: datetime, until: datetime) -> bool:
        """Note a delivery; returns whether it is a new one. It is on the disk when this returns.

        Raises WorkspaceGone.
        """
        row = [team, fingerprint, to_text(until)]

        def work(db: sqlite_utils.Database) -> bool:
            db.execute("DELETE FROM deliveries WHERE expires_at < ?", [to_text(now)])
            return bool(db.execute("INSERT OR IGNORE INTO deliveries VALUES (?, ?, ?)", row).rowcount)

        return await self._database.of(team).write(work)
