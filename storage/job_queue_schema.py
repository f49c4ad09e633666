"""The tables of procrastinate, in a schema of their own.

procrastinate comes with the SQL of its tables, and with the changes since its first release. A release that works
beside the one before has a `pre` change, for before its first start, and a `post` change, for after the other's last
(procrastinate, "Migrations"). Several bots may be of two releases, so that a `post` change waits until a later release
needs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import resources
from typing import Any, LiteralString, cast

import psycopg
from psycopg import sql

SCHEMA = "procrastinate"
# Jobs that wait, by what they are for; procrastinate's own indexes do not cover it.
_INDEX = (
    "CREATE INDEX buildbell_waiting_jobs ON procrastinate_jobs"
    " (queue_name, (args ->> 'key'), scheduled_at) WHERE status = 'todo'"
)


def apply_schema(connection: psycopg.Connection[Any]) -> None:
    """Create procrastinate's tables, or change them as its installed version needs; as the last step of a transaction.

    From then on the transaction finds only these tables by their names.
    """
    schema = sql.Identifier(SCHEMA)
    if connection.execute("SELECT to_regnamespace(%s)", [SCHEMA]).fetchone() == (None,):
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
    connection.execute(sql.SQL("SET LOCAL search_path = {}").format(schema))
    known = available_migrations()
    if connection.execute("SELECT to_regclass('migrations')").fetchone() == (None,):
        connection.execute("CREATE TABLE migrations (name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL)")
        connection.execute(_read("schema.sql"))
        connection.execute(_INDEX)
        _note(connection, known)
        return
    applied = {name for (name,) in connection.execute("SELECT name FROM migrations")}
    for name in pending_migrations(known, applied):
        connection.execute(_read(f"migrations/{name}"))
        _note(connection, [name])


def available_migrations() -> list[str]:
    """Return the names of the changes that come with procrastinate, in their order."""
    files = (resources.files("procrastinate.sql") / "migrations").iterdir()
    return sorted(file.name for file in files if file.name.endswith(".sql"))


def pending_migrations(known: Iterable[str], applied: set[str]) -> list[str]:
    """Return the changes that are missing, in their order, without those that a bot of an older release can't bear."""
    pending = [name for name in known if name not in applied]
    while pending and "_post_" in pending[-1]:
        pending.pop()
    return pending


def _note(connection: psycopg.Connection[Any], names: Iterable[str]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO migrations VALUES (%s, now())", [[name] for name in names])


def _read(path: str) -> LiteralString:
    text: Any = (resources.files("procrastinate.sql") / path).read_text(encoding="utf-8")
    return cast("LiteralString", text)
