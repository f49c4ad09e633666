"""Either database as tests look at it, beside the bot."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg

from storage.connection import Connection
from storage.database_url import is_postgres, sqlite_path
from storage.postgres_connection import PostgresConnection
from storage.sqlite_database import SqliteConnection

# What the databases keep for themselves.
MIGRATION_TABLES = frozenset({"_sqlite_migrations", "sqlite_sequence", "buildbell_migrations"})


@dataclass(frozen=True)
class Column:
    """A column of a table; `needs_value`: it takes no NULL and has no default."""

    name: str
    is_number: bool
    is_required: bool
    needs_value: bool


@contextmanager
def connect_directly(url: str, *, autocommit: bool = False) -> Iterator[Connection]:
    """Connect to a bot's database; what is changed is committed at the end, in PostgreSQL at once with `autocommit`."""
    if is_postgres(url):
        with psycopg.connect(url, autocommit=autocommit) as connection:
            yield PostgresConnection(connection)
        return
    with closing(sqlite3.connect(sqlite_path(url), timeout=30)) as file, file:
        yield SqliteConnection.over(file)


def table_names(db: Connection) -> list[str]:
    """Return the names of all tables."""
    if isinstance(db, SqliteConnection):
        return db.db.table_names()
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    return [name for (name,) in db.execute(query)]


def columns_of(db: Connection, table: str) -> list[Column]:
    """Return the columns of a table, in their order."""
    if isinstance(db, SqliteConnection):
        return [
            Column(
                column.name,
                is_number=column.type in ("INTEGER", "DOUBLE PRECISION"),
                is_required=bool(column.notnull),
                needs_value=bool(column.is_pk or (column.notnull and column.default_value is None)),
            )
            for column in db.db.table(table).columns
        ]
    query = (
        "SELECT column_name, data_type, is_nullable, column_default, is_identity FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = ? ORDER BY ordinal_position"
    )
    return [
        Column(
            name,
            is_number=kind in ("bigint", "double precision"),
            is_required=nullable == "NO",
            needs_value=nullable == "NO" and default is None and identity == "NO",
        )
        for name, kind, nullable, default, identity in db.execute(query, [table])
    ]


def keys_of(db: Connection, table: str) -> dict[str, list[str]]:
    """Return the columns of the table's primary key and indexes, by name."""
    if isinstance(db, SqliteConnection):
        of_table = db.db.table(table)
        return {table: of_table.pks} | {index.name: index.columns for index in of_table.indexes}
    query = (
        "SELECT indexrelid::regclass::text, attname FROM pg_index JOIN pg_attribute ON attrelid = indexrelid"
        " WHERE indrelid = CAST(? AS regclass) ORDER BY 1, attnum"
    )
    keys: dict[str, list[str]] = {}
    for index, column in db.execute(query, [table]):
        keys.setdefault(index, []).append(column)
    return keys


def all_rows(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of all tables with data, by primary key; those whose order is stored as `rowid` in that order."""
    found = {}
    with connect_directly(url) as db:
        for table in set(table_names(db)) - MIGRATION_TABLES:
            names = [column.name for column in columns_of(db, table) if column.name != "rowid"]
            key = ["rowid"] if table in ("messages", "pipelines") else db.primary_key(table)
            query = f"SELECT {', '.join(key)}, {', '.join(names)} FROM {table} ORDER BY {', '.join(key)}"  # noqa: S608
            found[table] = [tuple(row) for row in db.execute(query)]
    return found


def refuse_inserts(db: Connection, table: str) -> None:
    """Make each insert into the table fail."""
    if isinstance(db, SqliteConnection):
        db.execute(f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END")
        return
    db.execute(
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$"
    )
    db.execute(f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()")


def count_changes(db: Connection) -> object:
    """Return something that differs after each change of any row."""
    if isinstance(db, SqliteConnection):
        return db.execute("SELECT total_changes()").fetchone()
    # The transaction that has written each row (PostgreSQL, "System Columns").
    query = "SELECT COUNT(*), MAX(CAST(CAST(xmin AS TEXT) AS BIGINT)) FROM {}"
    return {name: db.execute(query.format(name)).fetchone() for name in table_names(db)}
