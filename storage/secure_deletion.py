"""What deleting leaves behind in an SQLite file, and taking it away: for tokens, people and workspaces that are gone.

A deleted row stays in three places: in the write-ahead log until that is written over, in the pages themselves unless
`secure_delete` overwrites it, and, whatever that says, in the unused part of pages whose rows were moved to make room
for others. Emptying the log mends the first; writing a table anew, or the whole file (VACUUM), mends the third.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import sqlite_utils

# How long a reader is waited for who keeps the log from being emptied; nobody else gets at the database meanwhile.
PATIENCE_MS = 1000


def rewrite_tables(db: sqlite_utils.Database, tables: Sequence[str]) -> None:
    """Write small tables anew, so that nothing stays in the unused parts of their pages; in a transaction.

    Deleting all rows at once gives all pages of the table back, which `secure_delete` overwrites as a whole.
    """
    for table in tables:
        rows = db.execute(f"SELECT * FROM {table}").fetchall()
        db.execute(f"DELETE FROM {table}")
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            db.conn.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def mark_for_rewriting(db: sqlite_utils.Database) -> None:
    """Note that the whole file is to be written anew when there is time; in a transaction."""
    db.execute("PRAGMA user_version = 1")


def is_marked(db: sqlite_utils.Database) -> bool:
    """Whether the whole file is to be written anew."""
    return bool(db.execute("PRAGMA user_version").fetchone()[0])


def rewrite_file(db: sqlite_utils.Database) -> None:
    """Write the whole file anew, so that it holds what can be read from it and nothing else; in no transaction.

    Others write before or after it, and can read meanwhile. Raises sqlite3.OperationalError where there is no room.
    """
    db.execute("VACUUM")
    db.execute("PRAGMA user_version = 0")


def empty_log(db: sqlite_utils.Database) -> bool:
    """Take the write-ahead log into the file and cut it to nothing; in no transaction.

    Returns whether that could be done: somebody who is just reading keeps it from being cut.
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
