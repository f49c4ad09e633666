"""Another workspace that uses the same Buildbell (SECURITY.md, E), and installations (A4, A10)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from sandbox.slack.workspace import TEAM
from tests.workspaces.towns import TWIN, ManyTown, open_many


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[ManyTown]:
    async with open_many(tmp_path, service_token_acts="0") as opened:
        yield opened


async def test_a4_an_installation_that_somebody_else_has_begun_is_not_ended_here(town: ManyTown) -> None:
    async with aiohttp.ClientSession() as mallory, aiohttp.ClientSession() as victim:
        async with mallory.get(f"{town.url}/slack/install", allow_redirects=False) as begun:
            page = (begun.headers.get("Location") or "") + await begun.text()
        state = re.findall(r"state=([\w-]+)", page)[0]
        for given in (state, "made-up", ""):
            address = f"{town.url}/slack/oauth_redirect?code=a-code-of-mallorys&state={given}"
            async with victim.get(address) as ended:
                assert ended.status in (400, 401)
    assert await town.rows("SELECT * FROM installations") == []


async def test_a10_whoever_begins_installations_without_end_writes_nothing(tmp_path: Path) -> None:
    async with open_many(
        tmp_path,
        service_token_acts="0",
        poll_interval="3600",
        poll_interval_active="3600",
        buildio_client_id="an-id",
        buildio_client_secret="a-secret",
    ) as town:
        await town.install_everywhere()
        await town.twin.ask("/bitrise help", "What you can type")
        states = await town.rows("SELECT * FROM oauth_states")
        with closing(sqlite3.connect(town.folder / "buildbell.db")) as beside:

            def version() -> int:
                """Another number with each change that somebody else has made (sqlite.org, "data_version")."""
                return int(beside.execute("PRAGMA data_version").fetchone()[0])

            before = version()
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as anybody:
                for path, status in (
                    ("/slack/install", 302),
                    ("/slack/oauth_redirect?code=x&state=made-up", 400),
                    ("/slack/oauth_redirect?error=access_denied&state=made-up", 200),
                    ("/buildio/connect?state=made-up", 400),
                    ("/buildio/oauth_redirect?code=x&state=made-up", 400),
                ):
                    for _ in range(5):
                        async with anybody.get(town.url + path, allow_redirects=False) as answer:
                            assert answer.status == status
            assert version() == before
        assert await town.rows("SELECT * FROM oauth_states") == states


async def test_e1_a_workspace_reads_and_changes_only_what_is_its_own(town: ManyTown) -> None:
    await town.install_everywhere()
    await town.connect("anna")
    await town.ask("/bitrise subscribe android", "subscribed")
    await town.ask("/bitrise use android", "this channel's app now")
    await town.twin.ask("/bitrise subscriptions", "told of nothing yet")
    await town.twin.ask("/bitrise whoami", "have not linked an account")
    await town.twin.ask("/bitrise status", "")
    await town.twin.ask("/bitrise audit", "Nothing was written down")
    await town.twin.ask("/bitrise unsubscribe 1", "no such subscription")
    said = " ".join(
        town.twin.words(post) for one in town.twin.slack.workspace.channels.values() for post in one.posts
    )
    assert "Sample Android" not in said
    assert await town.rows("SELECT team_id, stopped_reason FROM subscriptions") == [(TEAM, None)]


async def test_e2_a_workspace_that_takes_the_app_out_leaves_nothing_behind(town: ManyTown) -> None:
    await town.install_everywhere()
    for place in (town, town.twin):
        await place.connect("anna")
        await place.ask("/bitrise subscribe android", "subscribed")
    town.slack.uninstall(TWIN)
    await town.answered("app_uninstalled")
    await town.stop_bot()
    connection = sqlite3.connect(town.folder / "buildbell.db")
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    left = {table: str(connection.execute(f"SELECT * FROM {table}").fetchall()) for table in tables}  # noqa: S608
    connection.close()
    assert [table for table, rows in left.items() if TWIN in rows] == []
    assert TEAM in left["accounts"]
