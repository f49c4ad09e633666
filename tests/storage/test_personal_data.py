"""Export and erasure of everything stored about one user."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlite_utils

from domain.access_policy import AccessRequest, Permission, find_requirements
from providers.bitrise.provider import BITRISE
from storage.audit_log import verify_chain
from storage.database_url import open_database, open_shared_database
from storage.migrations import migrations
from storage.personal_data import erase_everywhere, export_person
from storage.personal_data_columns import COLUMNS
from tests.storage.full_database import (
    ANNA,
    BEN,
    SLACK_TOKEN,
    TEAM,
    TOKEN,
    create_full_database,
    dump_rows,
    rows_of,
    secret_box,
)
from tests.support.factories import NOON, make_recipient
from tests.support.repositories import make_repositories
from tests.support.schema import connect_directly


@pytest.fixture
async def url(database_url: str) -> str:
    await create_full_database(database_url)
    return database_url


async def export(url: str, person: str = ANNA, team: str = TEAM) -> dict[str, Any]:
    database = await open_shared_database(url)
    try:
        return await database.read(lambda db: export_person(db, team, person))
    finally:
        await database.close()


async def erase(url: str, person: str = ANNA) -> Any:
    database = await open_shared_database(url)
    try:
        return await database.write(lambda db: erase_everywhere(db, TEAM, person, secret_box(), NOON))
    finally:
        await database.close()


def test_every_column_of_every_table_is_listed() -> None:
    db = sqlite_utils.Database(memory=True)
    migrations.apply(db)
    schema = {
        table.name: sorted(column.name for column in table.columns)
        for table in db.tables
        if not table.name.startswith(("sqlite_", "_sqlite_"))
    }
    assert {table: sorted(columns.all) for table, columns in COLUMNS.items()} == schema
    for table, columns in COLUMNS.items():
        assert len(columns.all) == len(set(columns.all)), table


async def test_an_export_has_the_users_rows_of_every_table(
    url: str,
) -> None:
    found = await export(url)
    assert set(found["tables"]) == {
        table
        for table, names in COLUMNS.items()
        if names.owner or names.user_ids or names.texts or names.channels
    } - {"workflow_steps"}
    tables = found["tables"]
    assert [row["name"] for row in tables["accounts"]] == ["anna-at-bitrise"]
    assert {row["number"] for row in tables["builds"]} == {1, 2}
    assert {row["channel_id"] for row in tables["subscriptions"]} == {"C1", "C2", "D0ANNA"}
    assert len(tables["proposals"]) == 2
    assert [entry["person"] for entry in found["audit"]] == [ANNA, BEN]
    assert ANNA in json.dumps(tables["messages"])


async def test_an_export_has_no_tokens_and_no_build_parameters(url: str) -> None:
    text = json.dumps(await export(url))
    sealed = {row["sealed"] for row in rows(url, "accounts")} | {row["act"] for row in rows(url, "proposals")}
    for secret in (TOKEN, SLACK_TOKEN, "pin-1234", *sealed):
        assert secret not in text
    assert "BUILDBELL_STARTED_BY" in text


def rows(url: str, table: str) -> list[dict[str, Any]]:
    with connect_directly(url) as db:
        return rows_of(db, table)


async def test_nothing_of_another_workspace_is_exported_or_erased(url: str) -> None:
    before = await export(url, team="T2")
    here = await export(url)
    assert {row["team_id"] for row in here["tables"]["people"]} == {TEAM}
    await erase(url)
    after = await export(url, team="T2")
    shared = {"builds", "series", "pipelines", "build_requests"}
    assert after["audit"] == before["audit"]
    for table in set(before["tables"]) - shared:
        assert after["tables"][table] == before["tables"][table]


async def test_after_an_erasure_nothing_identifies_the_user_and_the_audit_log_is_valid(url: str) -> None:
    report = await erase(url)
    assert report.deleted["accounts"] == 1
    assert report.entries == 2
    again = await export(url)
    assert (again["tables"], again["audit"]) == ({}, [])
    remaining = [line for line in dump_rows(url).splitlines() if f"'{TEAM}'" in line or "team_id" not in line]
    for word in (ANNA, ANNA.lower(), "anna-at-bitrise", "D0ANNA"):
        assert [line for line in remaining if word in line and not line.startswith("audit ")] == []
    assert ANNA not in "\n".join(line for line in remaining)
    database = await open_shared_database(url)
    assert (await database.read(lambda db: verify_chain(db, TEAM, secret_box(), None))).sealed
    await database.close()
    assert (await erase(url)).nothing


async def test_shared_data_stays_without_the_erased_user(url: str) -> None:
    ben = await export(url, BEN)
    await erase(url)
    database = await open_database(url)
    storage = make_repositories(database, secret_box())
    here = storage.of(TEAM)
    [first] = await here.subscriptions.of_channel("C1")
    [second] = await here.subscriptions.of_channel("C2")
    assert (first.created_by, second.created_by) == ("(erased)", BEN)
    assert second.terms.filter.by.include == ("@(erased)", "(erased)")
    assert await here.subscriptions.of_channel("D0ANNA") == []
    assert await here.channel_settings.default_app("C1", BITRISE) is not None
    links = [
        link for channel in ("C1", "C2", "D0ANNA") for link in await here.deploy_links.of_channel(channel)
    ]
    assert [link.set_by for link in links] == ["(erased)", BEN]
    [rule] = await here.access_rules.all()
    abort = AccessRequest(permission=Permission.ABORT, provider=BITRISE)
    assert find_requirements([rule.rule], abort)[0].who.people == (BEN,)
    assert await here.accounts.find(ANNA, BITRISE) is None
    account = await here.accounts.find(BEN, BITRISE)
    assert account is not None
    assert here.accounts.token(account).get_secret_value() == TOKEN
    card = await storage.slack_messages.find("card")
    assert card is not None
    assert json.loads(card.note or "") == {"claimed_by": "(erased)", "snoozed_by": "(erased)"}
    assert {build.triggered_by for build in await storage.watched_builds.open_builds(BITRISE)} == {
        "manual-(erased)"
    }
    assert len(await storage.watched_builds.latest(BITRISE, 10)) == 3
    await database.close()
    assert {table: len(found) for table, found in (await export(url, BEN))["tables"].items()} == {
        table: len(found) for table, found in ben["tables"].items()
    } | {"proposals": 1}


async def test_pending_actions_of_an_erased_user_are_withdrawn(url: str) -> None:
    await erase(url)
    database = await open_database(url)
    contents = [
        message.content or ""
        for message in await make_repositories(database, secret_box()).slack_messages.unfinished(
            make_recipient("C1")
        )
    ]
    await database.close()
    assert len([content for content in contents if "Withdrawn: " in content]) == 1
    assert [row["asked_by"] for row in rows(url, "proposals") if row["team_id"] == TEAM] == [BEN]


async def test_an_unknown_user_gives_an_empty_export(url: str) -> None:
    assert await export(url, "U0NOBODY") == {"team": TEAM, "user": "U0NOBODY", "tables": {}, "audit": []}
    # A prefix of an ID is not that ID.
    assert (await export(url, "U0ANN"))["tables"] == {}
