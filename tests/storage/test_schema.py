"""The workspace of each row, as the schema defines it."""

from __future__ import annotations

from pathlib import Path

from domain.message import Recipient
from domain.unit import Unit
from storage.connection import Connection
from storage.database import Database
from storage.database_url import open_database
from storage.personal_data import WORKSPACE_TABLES, known_teams
from storage.postgres_database import PostgresDatabase
from storage.sqlite_database import SqliteDatabase
from tests.support.postgres import PostgresServer
from tests.support.schema import columns_of, keys_of, table_names

# Shared data about the provider, the process or the app itself, with the reason.
SHARED_TABLES = {
    "_sqlite_migrations": "applied migrations",
    "apps_of": "an index of subscriptions, whose rows are deleted with them",
    "audit_anchor_lines": "lines that wait to be written to the audit log's anchor",
    "audit_register": "one row over the audit logs of all workspaces; a workspace is removed from it with its log",
    "buildbell_migrations": "applied migrations",
    "build_requests": "builds that wait for approval at the provider",
    "builds": "builds at the provider",
    "looks": "the poll position of each token of the provider",
    "oauth_states": "used OAuth states of installations: Slack names the workspace only afterwards",
    "pauses": "pauses that a provider has asked for, by a hash of the token",
    "pipelines": "pipelines at the provider",
    "polls": "how the polls with each token of the bot go",
    "removed_workspaces": "hashes of workspaces that have just removed the app",
    "restarts": "requested restarts of processes at the provider",
    "series": "failure streaks of builds at the provider",
    "snapshots": "snapshots of apps at the last poll",
    "sqlite_sequence": "SQLite's own counters",
    "watched_apps": "apps at the provider with subscriptions of any workspace",
}
# Which of these tables only another kind of database has.
OTHER_DATABASES: dict[type[Database], set[str]] = {
    SqliteDatabase: {"buildbell_migrations"},
    PostgresDatabase: {"_sqlite_migrations", "sqlite_sequence"},
}
# Deleted by other means than a DELETE by workspace.
DELETED_SEPARATELY = {"audit", "audit_chains", "installations", "subscriptions"}


async def test_each_table_belongs_to_workspaces_or_is_shared(database: Database) -> None:
    def read_schema(db: Connection) -> dict[str, bool]:
        return {
            name: any(column.name == "team_id" and column.is_required for column in columns_of(db, name))
            for name in table_names(db)
        }

    has_workspace = await database.read(read_schema)
    shared = {name for name, required in has_workspace.items() if not required}
    assert shared == set(SHARED_TABLES) - OTHER_DATABASES[type(database)]


async def test_shared_tables_identify_no_channel_and_no_user(database: Database) -> None:
    def read_schema(db: Connection) -> set[str]:
        return {column.name for name in SHARED_TABLES for column in columns_of(db, name)}

    columns = await database.read(read_schema)
    assert "app_slug" in columns
    assert not columns & {
        "team_id",
        "channel_id",
        "user_id",
        "created_by",
        "set_by",
        "asked_by",
        "decided_by",
    }


async def test_keys_with_a_channel_or_user_start_with_the_workspace(database: Database) -> None:
    def read_keys(db: Connection) -> dict[str, list[str]]:
        return {
            f"{table}: {name}": columns
            for table in table_names(db)
            for name, columns in keys_of(db, table).items()
        }

    keys = await database.read(read_keys)
    assert len(keys) > 40
    wrong = [
        (name, columns)
        for name, columns in keys.items()
        if {"channel_id", "user_id", "execution", "ts"} & set(columns) and columns[0] != "team_id"
    ]
    assert wrong == []


async def test_a_wipe_covers_every_table_with_workspaces(database: Database) -> None:
    tables = set(await database.read(table_names))
    assert tables - set(SHARED_TABLES) == set(WORKSPACE_TABLES) | DELETED_SEPARATELY


async def test_known_workspaces_are_found_in_every_table(database: Database) -> None:
    def fill(db: Connection) -> None:
        for table in (*WORKSPACE_TABLES, "audit_chains", "subscriptions"):
            row: dict[str, object] = {
                column.name: 1 if column.is_number else column.name
                for column in columns_of(db, table)
                if column.needs_value
            }
            row["team_id"] = f"T-{table}"
            marks = ", ".join("?" * len(row))
            statement = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})"  # noqa: S608 - our own names
            db.execute(statement, list(row.values()))
        db.wake(Unit.DELIVER, Recipient(team="T-notifications", channel="channel_id").key)

    await database.write(fill)
    known = set(await database.read(known_teams))
    assert {f"T-{table}" for table in WORKSPACE_TABLES} <= known
    assert {"T-subscriptions", "T-audit_chains"} <= known


async def test_both_databases_have_the_same_columns(tmp_path: Path, postgres: PostgresServer) -> None:
    def read_schema(db: Connection) -> dict[str, list[tuple[str, bool]]]:
        return {
            name: [
                (column.name, column.is_number) for column in columns_of(db, name) if column.name != "rowid"
            ]
            for name in table_names(db)
            if name not in OTHER_DATABASES[SqliteDatabase] | OTHER_DATABASES[PostgresDatabase]
        }

    found = []
    for url in (f"sqlite:///{tmp_path / 'b.db'}", postgres.new_database()):
        opened = await open_database(url)
        found.append(await opened.read(read_schema))
        await opened.close()
    assert found[0] == found[1]
