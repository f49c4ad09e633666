"""Whose each row is: the schema itself says it."""

from __future__ import annotations

import sqlite_utils

from storage.repositories import Repositories
from storage.workspace_removal import OF_A_WORKSPACE, known_teams

# Facts about the provider, the process or the app itself; they are nobody's, whoever looks.
NOBODYS = {
    "_sqlite_migrations": "which steps of the schema were taken",
    "audit_anchor_lines": "lines that wait for the audit log's anchor; they go once they are written there",
    "audit_register": "one row over the audit logs of all workspaces, of which each leaves it with its log",
    "build_requests": "builds that wait for approval at the provider",
    "builds": "builds at the provider",
    "looks": "how far each token of the provider's was read",
    "oauth_states": "installations that came to their end: of which workspace they were, Slack said after that",
    "pipelines": "pipelines at the provider",
    "restarts": "which processes at the provider are about to be restarted",
    "series": "how builds at the provider follow each other",
    "snapshots": "how apps at the provider stood at the last look",
    "sqlite_sequence": "SQLite's own count of numbers that were given",
    "watched_apps": "apps at the provider that somebody, of whichever workspace, waits for",
}
# Ended or wiped by what hangs on them, or, the installation, by whoever takes it out.
WIPED_BY_THEMSELVES = {"audit", "audit_chains", "installations", "subscriptions"}


async def test_each_row_belongs_to_a_workspace_or_to_nobody(repositories: Repositories) -> None:
    def look(db: sqlite_utils.Database) -> dict[str, bool]:
        return {
            name: any(column.name == "team_id" and column.notnull for column in db.table(name).columns)
            for name in db.table_names()
        }

    owned = await repositories.database.read(look)
    assert {name for name, ours in owned.items() if not ours} == set(NOBODYS)


async def test_nobodys_rows_name_no_channel_and_no_person(repositories: Repositories) -> None:
    def look(db: sqlite_utils.Database) -> set[str]:
        return {column.name for name in NOBODYS for column in db.table(name).columns}

    named = await repositories.database.read(look)
    assert not named & {"team_id", "channel_id", "user_id", "created_by", "set_by", "asked_by", "decided_by"}


async def test_whatever_is_found_by_channel_or_person_is_found_by_workspace_first(
    repositories: Repositories,
) -> None:
    def look(db: sqlite_utils.Database) -> list[tuple[str, list[str]]]:
        keys = []
        for name in db.table_names():
            table = db.table(name)
            keys.append((name, table.pks))
            keys += [(f"{name}: {one.name}", one.columns) for one in table.indexes]
        return keys

    keys = await repositories.database.read(look)
    wrong = [
        (name, columns)
        for name, columns in keys
        if {"channel_id", "user_id", "execution", "ts"} & set(columns) and columns[0] != "team_id"
    ]
    assert wrong == []


async def test_a_wipe_knows_every_table_that_has_workspaces(repositories: Repositories) -> None:
    there = set(await repositories.database.read(lambda db: db.table_names()))
    assert there - set(NOBODYS) == set(OF_A_WORKSPACE) | WIPED_BY_THEMSELVES


async def test_the_workspaces_that_are_known_are_found_in_every_table(repositories: Repositories) -> None:
    def fill(db: sqlite_utils.Database) -> None:
        for table in (*OF_A_WORKSPACE, "audit_chains", "subscriptions"):
            row: dict[str, object] = {
                column.name: 1 if column.type == "INTEGER" else column.name
                for column in db.table(table).columns
                if column.notnull or column.is_pk
            }
            db.table(table).insert(row | {"team_id": f"T-{table}"})

    await repositories.database.write(fill)
    known = set(await repositories.database.read(known_teams))
    assert {f"T-{table}" for table in OF_A_WORKSPACE} <= known
    assert {"T-subscriptions", "T-audit_chains"} <= known
