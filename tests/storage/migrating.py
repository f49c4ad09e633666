"""A process that brings a database to today's schema, until somebody kills it."""

from __future__ import annotations

import asyncio
from multiprocessing.connection import Connection
from pathlib import Path

from storage import Database


def migrate(path: Path, beginning: Connection) -> None:
    """Say that it begins, then open the database."""
    beginning.send_bytes(b".")
    asyncio.run(Database.open(path))
