"""A process that migrates a database to the current schema, until it is killed."""

from __future__ import annotations

import asyncio
from multiprocessing.connection import Connection
from pathlib import Path

from storage.sqlite_database import SqliteDatabase


def migrate(path: Path, starting: Connection) -> None:
    """Announce the start, then open the database."""
    starting.send_bytes(b".")
    asyncio.run(SqliteDatabase.open(path))
