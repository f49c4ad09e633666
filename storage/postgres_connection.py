"""A connection to PostgreSQL that takes the SQL of the repositories."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

import psycopg
from psycopg.adapt import Dumper
from psycopg.postgres import types

from domain.unit import Unit
from storage.connection import CommitCallbacks, Cursor, Parameters, Wake
from storage.postgres_migrations import audit_triggers

# The server's channel of all notices (PostgreSQL, "NOTIFY").
NOTICES = "buildbell"
# The first 16 bits of the number of a lock that says that a bot's process lives; the others are the process's name.
WORKER_LOCKS = 0x5742
# Texts in quotes are left as they are.
_MARKER = re.compile(r"'(?:[^']|'')*'|\?|(?<!:):([a-z_]+)|%")


class PostgresConnection(CommitCallbacks):
    """A connection, within a transaction that its database has begun."""

    def __init__(self, connection: psycopg.Connection[Any], on_wake: Wake | None = None) -> None:
        super().__init__(on_wake)
        self.connection = connection
        self.origin = ""
        # The jobs that this transaction adds to the queue: unit, key, and after how many seconds (storage.job_queue).
        self.jobs: dict[tuple[Unit, str, float | None], None] = {}
        # The last steps of the transaction.
        self.before_commit: dict[str, Callable[[], None]] = {}

    def execute(self, statement: str, parameters: Parameters = ()) -> Cursor:
        """Run a statement."""
        return self.connection.execute(translate(statement), parameters)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run a statement once for each row of parameters. Returns how many rows of the table that has changed."""
        with self.connection.cursor() as cursor:
            cursor.executemany(translate(statement), rows)
            return cursor.rowcount

    def lock(self, *name: str, shared: bool = False) -> None:
        """Wait until no other transaction has the lock of this name; it is released when this one ends."""
        take = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
        self.execute(f"SELECT {take}(hashtextextended(?, 0))", ["\n".join(name)])

    def batch(self) -> AbstractContextManager[object]:
        """Send the statements of the block together; their results can be read after it."""
        return self.connection.pipeline() if psycopg.Pipeline.is_supported() else nullcontext()

    def notify(self, topic: str, payload: str = "") -> None:
        """Tell this process of something after the commit, and the server's other bots."""
        super().notify(topic, payload)
        notice = json.dumps([self.origin, topic, payload])
        self.connection.execute("SELECT pg_notify(%s, %s)", [NOTICES, notice])

    def now(self) -> datetime:
        """Return the time by the server's clock."""
        [now] = self.connection.execute("SELECT clock_timestamp()").fetchall()[0]
        return cast("datetime", now).astimezone(UTC)

    def live_workers(self) -> set[str]:
        """Return the processes whose sessions hold the lock that says so (`postgres_server.prepare_session`)."""
        # A lock's number of 64 bits is shown in two halves (PostgreSQL, "pg_locks").
        query = (
            "SELECT classid::bigint << 32 | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
            " AND classid::bigint >> 16 = ?"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return {f"{number & 0xFFFF_FFFF_FFFF:012x}" for (number,) in self.execute(query, [WORKER_LOCKS])}

    def primary_key(self, table: str) -> list[str]:
        """Return the columns of the table's primary key, in its order."""
        query = (
            "SELECT attname FROM pg_index JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)"
            " WHERE indrelid = CAST(? AS regclass) AND indisprimary ORDER BY array_position(indkey, attnum)"
        )
        return [column for (column,) in self.execute(query, [table])]

    def audit_triggers(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the triggers of the audit log's tables by name: as they are, and as this version creates them.

        A trigger is compared with its function and with whether it is enabled. A rule can do what a trigger does.
        """
        triggers = (
            "SELECT tgname, pg_get_triggerdef(pg_trigger.oid), prosrc, lanname, proconfig, tgenabled"
            " FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid"
            " JOIN pg_language ON pg_language.oid = prolang"
            " WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relname LIKE 'audit%'"
            " AND NOT tgisinternal"
        )
        actual = {
            name: _describe_trigger(definition, source, language, settings, enabled)
            for name, definition, source, language, settings, enabled in self.execute(triggers)
        }
        rules = (
            "SELECT rulename, definition FROM pg_rules"
            " WHERE schemaname = current_schema() AND tablename LIKE 'audit%'"
        )
        actual |= dict(self.execute(rules).fetchall())
        expected = {
            name: _describe_trigger(definition, source, "plpgsql", None, "O")
            for name, (definition, source) in audit_triggers().items()
        }
        return actual, expected

    def mark_for_rewriting(self) -> None:
        """Do nothing: PostgreSQL's autovacuum frees the space of deleted rows."""


def _describe_trigger(definition: str, source: str, *others: object) -> str:
    """Return what a trigger does; the server writes its definition with other brackets, cases and schema names."""
    words = re.sub(r"[()]", " ", definition).casefold()
    words = re.sub(r"\b(on|function) \w+\.(?=\w)", r"\1 ", words)
    return " ".join(f"{words} {source} {others}".split())


@lru_cache(maxsize=1000)
def translate(statement: str) -> str:
    """Return the statement with psycopg's markers for parameters (psycopg, "Passing parameters to SQL queries")."""
    return _MARKER.sub(_psycopg_marker, statement)


def _psycopg_marker(found: re.Match[str]) -> str:
    if found[0] == "?":
        return "%s"
    if found[1]:
        return f"%({found[1]})s"
    return found[0].replace("%", "%%")


class FlagDumper(Dumper):
    """Stores true and false as 1 and 0, as SQLite does."""

    oid = types["int4"].oid

    def dump(self, obj: bool) -> bytes:
        """Return the number as text."""
        return b"1" if obj else b"0"
