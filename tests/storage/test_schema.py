"""The workspace of each row, as the schema defines it."""

from __future__ import annotations

import sqlite_utils

from storage.personal_data import WORKSPACE_TABLES, known_teams
from storage.repositories import Repositories

# Shared data about the provider, the process or the app itself, with the reason.
SHARED_TABLES = {
    "_sqlite_migrations": "applied migrations",
    "audit_anchor_lines": "lines that wait to be written to the audit log's anchor",
    "audit_register": "one row over the audit logs of all workspaces; a workspace is removed from it with its log",
    "build_requests": "builds that wait for approval at the provider",
    "builds": "builds at the provider",
    "looks": "the poll position of each token of the provider",
    "oauth_states": "used OAuth states of installations: Slack names the workspace only afterwards",
    "pipelines": "pipelines at the provider",
    "restarts": "requested restarts of processes at the provider",
    "series": "failure streaks of builds at the provider",
    "snapshots": "snapshots of apps at the last poll",
    "sqlite_sequence": "SQLite's own counters",
    "watched_apps": "apps at the provider with subscriptions of any workspace",
}
# Deleted by other means than a DELETE by workspace.
DELETED_SEPARATELY = {"audit", "audit_chains", "installations", "subscriptions"}


async def test_each_table_belongs_to_workspaces_or_is_shared(repositories: Repositories) -> None:
    def read_schema(db: sqlite_utils.Database) -> dict[str, bool]:
        return {
            name: any(column.name == "team_id" and column.notnull for column in db.table(name).columns)
            for name in db.table_names()
        }

    has_workspace = await repositories.database.read(read_schema)
    assert {name for name, required in has_workspace.items() if not required} == set(SHARED_TABLES)


async def test_shared_tables_identify_no_channel_and_no_user(repositories: Repositories) -> None:
    def read_schema(db: sqlite_utils.Database) -> set[str]:
        return {column.name for name in SHARED_TABLES for column in db.table(name).columns}

    columns = await repositories.database.read(read_schema)
    assert not columns & {
        "team_id",
        "channel_id",
        "user_id",
        "created_by",
        "set_by",
        "asked_by",
        "decided_by",
    }


async def test_keys_with_a_channel_or_user_start_with_the_workspace(
    repositories: Repositories,
) -> None:
    def read_schema(db: sqlite_utils.Database) -> list[tuple[str, list[str]]]:
        keys = []
        for name in db.table_names():
            table = db.table(name)
            keys.append((name, table.pks))
            keys += [(f"{name}: {index.name}", index.columns) for index in table.indexes]
        return keys

    keys = await repositories.database.read(read_schema)
    wrong = [
        (name, columns)
        for name, columns in keys
        if {"channel_id", "user_id", "execution", "ts"} & set(columns) and columns[0] != "team_id"
    ]
    assert wrong == []


async def test_a_wipe_covers_every_table_with_workspaces(repositories: Repositories) -> None:
    tables = set(await repositories.database.read(lambda db: db.table_names()))
    assert tables - set(SHARED_TABLES) == set(WORKSPACE_TABLES) | DELETED_SEPARATELY


async def test_known_workspaces_are_found_in_every_table(repositories: Repositories) -> None:
    def fill(db: sqlite_utils.Database) -> None:
        for table in (*WORKSPACE_TABLES, "audit_chains", "subscriptions"):
            row: dict[str, object] = {
                column.name: 1 if column.type == "INTEGER" else column.name
                for column in db.table(table).columns
                if column.notnull or column.is_pk
            }
            db.table(table).insert(row | {"team_id": f"T-{table}"})

    await repositories.database.write(fill)
    known = set(await repositories.database.read(known_teams))
    assert {f"T-{table}" for table in WORKSPACE_TABLES} <= known
    assert {"T-subscriptions", "T-audit_chains"} <= known
