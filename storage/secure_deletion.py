"""Removes the traces that deleted tokens, users and workspaces leave in an SQLite file.

A deleted row remains in three places: in the write-ahead log until it is overwritten, in the page itself unless
`secure_delete` overwrites it, and, in spite of that, in unused parts of pages whose rows were moved to make room.
Emptying the log removes the first; rewriting a table, or the whole file (VACUUM), removes the third.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import sqlite_utils

# How long emptying the log waits for a reader. All other work on the database waits meanwhile.
PATIENCE_MS = 1000


def rewrite_tables(db: sqlite_utils.Database, tables: Sequence[str]) -> None:
    """Rewrite small tables, so that nothing remains in unused parts of their pages; inside a transaction.

    Deleting all rows at once frees all pages of the table, which `secure_delete` overwrites completely.
    """
    for table in tables:
        rows = db.execute(f"SELECT * FROM {table}").fetchall()
        db.execute(f"DELETE FROM {table}")
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            db.conn.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def mark_for_rewriting(db: sqlite_utils.Database) -> None:
    """Mark the file to be rewritten later; inside a transaction."""
    db.execute("PRAGMA user_version = 1")


def is_marked(db: sqlite_utils.Database) -> bool:
    """Return whether the file is marked to be rewritten."""
    return bool(db.execute("PRAGMA user_version").fetchone()[0])


def rewrite_file(db: sqlite_utils.Database) -> None:
    """Rewrite the whole file, so that it contains only current data; outside a transaction.

    Other connections can read meanwhile, but not write. Raises sqlite3.OperationalError if the disk is full.
    """
    db.execute("VACUUM")
    db.execute("PRAGMA user_version = 0")


def empty_log(db: sqlite_utils.Database) -> bool:
    """Write the write-ahead log into the file and truncate it; outside a transaction.

    Returns False if that was impossible because another connection is reading.
    """
    [[before]] = db.execute("PRAGMA busy_timeout").fetchall()
    db.execute(f"PRAGMA busy_timeout = {PATIENCE_MS}")
    try:
        busy = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.OperationalError:
        return False
    finally:
        db.execute(f"PRAGMA busy_timeout = {before}")
    return not busy
