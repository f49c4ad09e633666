"""Files in Slack that are deleted after some time, stored so that none is forgotten after a restart."""

from __future__ import annotations

from datetime import datetime

import sqlite_utils

from storage.database import WorkspaceDatabase
from storage.timestamps import from_text, to_text


class TemporaryFiles:
    """The temporary files of one workspace."""

    def __init__(self, database: WorkspaceDatabase, team: str) -> None:
        self._database = database
        self._team = team

    async def note(self, file: str, person: str, until: datetime) -> None:
        """Schedule the deletion of a file that was uploaded for this user. Raises WorkspaceGone."""
        row = [self._team, file, person, to_text(until)]
        await self._database.write(
            lambda db: db.execute("INSERT OR REPLACE INTO passing_files VALUES (?, ?, ?, ?)", row)
        )


def expired_files(db: sqlite_utils.Database, now: datetime) -> list[tuple[str, str]]:
    """Return the expired files of all workspaces; for use on the database's thread."""
    query = "SELECT team_id, file_id FROM passing_files WHERE delete_at <= ? ORDER BY delete_at"
    return [(team, file) for team, file in db.execute(query, [to_text(now)])]


def next_file_expiry(db: sqlite_utils.Database) -> datetime | None:
    """Return when the next file expires; for use on the database's thread."""
    [at] = db.execute("SELECT MIN(delete_at) FROM passing_files").fetchone()
    return from_text(at)


def forget_file(db: sqlite_utils.Database, team: str, file: str) -> None:
    """Delete the record of a file; for use inside a transaction."""
    db.execute("DELETE FROM passing_files WHERE team_id = ? AND file_id = ?", [team, file])
