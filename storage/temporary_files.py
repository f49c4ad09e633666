"""Files in Slack that are deleted after a time, so that a restart forgets none."""

from __future__ import annotations

from datetime import datetime

import sqlite_utils

from storage.database import WorkspaceDatabase
from storage.timestamps import from_text, to_text


class TemporaryFiles:
    """One workspace's."""

    def __init__(self, database: WorkspaceDatabase, team: str) -> None:
        self._database = database
        self._team = team

    async def note(self, file: str, person: str, until: datetime) -> None:
        """The file, which is for this person, is to be deleted then. Raises WorkspaceGone."""
        row = [self._team, file, person, to_text(until)]
        await self._database.write(
            lambda db: db.execute("INSERT OR REPLACE INTO passing_files VALUES (?, ?, ?, ?)", row)
        )


def expired_files(db: sqlite_utils.Database, now: datetime) -> list[tuple[str, str]]:
    """Those of all workspaces whose time has run out; for use where a database is at hand."""
    query = "SELECT team_id, file_id FROM passing_files WHERE delete_at <= ? ORDER BY delete_at"
    return [(team, file) for team, file in db.execute(query, [to_text(now)])]


def next_file_expiry(db: sqlite_utils.Database) -> datetime | None:
    """When the next one's time runs out; for use where a database is at hand."""
    [at] = db.execute("SELECT MIN(delete_at) FROM passing_files").fetchone()
    return from_text(at)


def forget_file(db: sqlite_utils.Database, team: str, file: str) -> None:
    """It is not there any more; for use inside a transaction."""
    db.execute("DELETE FROM passing_files WHERE team_id = ? AND file_id = ?", [team, file])
