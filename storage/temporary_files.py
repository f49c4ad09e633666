"""Files in Slack that are deleted after some time, stored so that none is forgotten after a restart."""

from __future__ import annotations

from datetime import datetime

from domain.unit import Unit
from storage.connection import Connection
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
        query = (
            "INSERT INTO passing_files VALUES (?, ?, ?, ?) ON CONFLICT (team_id, file_id)"
            " DO UPDATE SET user_id = excluded.user_id, delete_at = excluded.delete_at"
        )

        def work(db: Connection) -> None:
            db.execute(query, row)
            db.wake(Unit.DELETE_FILE, at=until)

        await self._database.write(work)


def expired_files(db: Connection, now: datetime) -> list[tuple[str, str]]:
    """Return the expired files of all workspaces; for use on the database's thread."""
    query = "SELECT team_id, file_id FROM passing_files WHERE delete_at <= ? ORDER BY delete_at"
    return [(team, file) for team, file in db.execute(query, [to_text(now)])]


def next_file_expiry(db: Connection) -> datetime | None:
    """Return when the next file expires; for use on the database's thread."""
    [at] = db.execute("SELECT MIN(delete_at) FROM passing_files").fetchone()
    return from_text(at)


def forget_file(db: Connection, team: str, file: str) -> None:
    """Delete the record of a file; for use inside a transaction."""
    db.execute("DELETE FROM passing_files WHERE team_id = ? AND file_id = ?", [team, file])
