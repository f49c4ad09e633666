"""A process that moves a database to the current schema and into PostgreSQL, until it is killed."""

from __future__ import annotations

import asyncio
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic, sleep

from storage.database import DatabaseInUse
from storage.database_copy import copy_database
from storage.sqlite_database import SqliteDatabase


def move(path: Path, url: str, progress: Connection) -> None:
    """Migrate the file, then copy it; send one byte at the start, and one whenever a table is copied."""
    progress.send_bytes(b".")
    asyncio.run(_migrate(path))
    deadline = monotonic() + 60
    while True:
        try:
            copy_database(path, url, lambda *_: progress.send_bytes(b"."))
            return
        except DatabaseInUse:
            # The server has not seen yet that the killed process is gone.
            if monotonic() > deadline:
                raise
            sleep(0.01)


async def _migrate(path: Path) -> None:
    await (await SqliteDatabase.open(path)).close()
