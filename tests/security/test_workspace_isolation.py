"""Another workspace that uses the same Buildbell (SECURITY.md, E), and installations (A4, A10)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from domain.provider import Provider
from sandbox.buildio.oauth_grants import CLIENT_ID, CLIENT_SECRET
from sandbox.slack.models import TEAM
from services.request import forms
from tests.bot.slack.test_workspace_isolation import said_by_bot
from tests.support.bot_harness import WorkspaceHarness
from tests.support.multi_workspace_harness import GRID, TWIN, MultiWorkspaceHarness, multi_workspace_harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[MultiWorkspaceHarness]:
    async with multi_workspace_harness(tmp_path, service_token_acts="0") as opened:
        yield opened


async def test_a4_an_installation_that_somebody_else_has_begun_is_not_ended_here(
    harness: MultiWorkspaceHarness,
) -> None:
    async with aiohttp.ClientSession() as mallory, aiohttp.ClientSession() as victim:
        async with mallory.get(f"{harness.url}/slack/install", allow_redirects=False) as begun:
            page = (begun.headers.get("Location") or "") + await begun.text()
        state = re.findall(r"state=([\w-]+)", page)[0]
        for given in (state, "made-up", ""):
            address = f"{harness.url}/slack/oauth_redirect?code=a-code-of-mallorys&state={given}"
            async with victim.get(address) as ended:
                assert ended.status in (400, 401)
    assert await harness.rows("SELECT * FROM installations") == []


async def test_a10_whoever_begins_installations_without_end_writes_nothing(tmp_path: Path) -> None:
    async with multi_workspace_harness(
        tmp_path,
        service_token_acts="0",
        poll_interval="3600",
        poll_interval_active="3600",
        buildio_client_id=CLIENT_ID,
        buildio_client_secret=CLIENT_SECRET,
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


async def test_a8_a_workspace_that_nobody_named_can_not_install_the_app_nor_go_on_with_it(
    tmp_path: Path,
) -> None:
    async with multi_workspace_harness(
        tmp_path, service_token_acts="1", slack_workspaces=f"{TEAM},{TWIN}"
    ) as town:
        east, _ = town.add_organisation()
        await town.install_everywhere()
        await town.twin.ask("/bitrise apps", "3 apps")
        # Nobody named it, neither by itself nor as an organisation: no token is kept, and that one is of no use.
        for how in ({}, {"organisation": True}):
            status, page = await town.install("T0EAST", **how)
            assert status == 403
            assert "This Buildbell is for other workspaces" in page
        assert sorted(await town.rows("SELECT team_id FROM installations")) == [(TEAM,), (TWIN,)]
        tokens = town.slack.installations.tokens.values()
        assert [
            one for one in tokens if one.installation.covers(east.slack.workspace) and not one.revoked
        ] == []
        # One that was installed before, and is named no more.
        await town.stop_bot()
        town.change_settings(slack_workspaces=TEAM)
        with capture_logs() as logged:
            await town.start_bot()
        assert [one["team"] for one in logged if one["event"] == "slack.not_served"] == [TWIN]
        before = said_by_bot(town.twin)
        await town.twin.users.command("anna", "builds", "/bitrise apps")
        await town.twin.wait_for_message("This Buildbell is for other workspaces")
        town.twin.users.open_home("anna")
        town.twin.users.say("anna", "D0ANNA", "apps")
        await town.ask("/bitrise apps", "3 apps")
        assert len(said_by_bot(town.twin)) == len(before) + 1
        assert town.twin.slack.workspace.homes == {}
        # It can still be taken out, which forgets it.
        town.slack.uninstall(TWIN)
        await town.wait_for_commands("app_uninstalled")
        assert await town.rows("SELECT team_id FROM installations") == [(TEAM,)]


async def test_an_organisation_that_is_named_installs_for_all_its_workspaces(tmp_path: Path) -> None:
    async with multi_workspace_harness(tmp_path, service_token_acts="1", slack_workspaces=GRID.id) as town:
        east, west = town.add_organisation()
        status, page = await town.install("T0EAST", organisation=True)
        assert status == 200, page
        for place in (east, west):
            await place.ask("/bitrise apps", "3 apps")
        assert (await town.install(TWIN))[0] == 403


async def test_e1_a_workspace_reads_and_changes_only_what_is_its_own(harness: MultiWorkspaceHarness) -> None:
    await harness.install_everywhere()
    await harness.connect("anna")
    await harness.ask("/bitrise subscribe android", "subscribed")
    await harness.ask("/bitrise use android", "this channel's app now")
    await harness.twin.ask("/bitrise subscriptions", "told of nothing yet")
    await harness.twin.ask("/bitrise whoami", "have not linked an account")
    await harness.twin.ask("/bitrise status", "")
    await harness.twin.ask("/bitrise audit", "Nothing was written down")
    await harness.twin.ask("/bitrise unsubscribe 1", "no such subscription")
    said = " ".join(
        harness.twin.message_text(post)
        for one in harness.twin.slack.workspace.channels.values()
        for post in one.posts
    )
    assert "Sample Android" not in said
    assert await harness.rows("SELECT team_id, stopped_reason FROM subscriptions") == [(TEAM, None)]


async def test_e2_a_workspace_that_takes_the_app_out_leaves_nothing_behind(
    harness: MultiWorkspaceHarness,
) -> None:
    await harness.install_everywhere()
    for place in (harness, harness.twin):
        await place.connect("anna")
        await place.ask("/bitrise subscribe android", "subscribed")
    harness.slack.uninstall(TWIN)
    await harness.wait_for_commands("app_uninstalled")
    await harness.stop_bot()
    connection = sqlite3.connect(harness.folder / "buildbell.db")
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    left = {table: str(connection.execute(f"SELECT * FROM {table}").fetchall()) for table in tables}  # noqa: S608
    connection.close()
    assert [table for table, rows in left.items() if TWIN in rows] == []
    assert TEAM in left["accounts"]


async def test_e3_connections_that_one_workspace_keeps_busy_keep_no_other_one_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "PATIENCE_SECONDS", 0.01)
    (tmp_path / "policy.toml").write_text(
        f'[[rule]]\nallow = ["run"]\nwho = ["U0ANNA", "U0BEN"]\nworkspaces = ["{TEAM}", "{TWIN}"]\n'
    )
    rules = str(tmp_path / "policy.toml")
    async with multi_workspace_harness(tmp_path, policy_file=rules, service_token_acts="0") as town:
        await town.install_everywhere()
        await town.connect("anna", "ben", provider=Provider.BUILDIO)
        await town.twin.connect("ben", provider=Provider.BUILDIO)
        await town.twin.connect("ben")
        endless = town.buildio.fault("POST */exec", "held", times=1000)
        for _ in range(10):
            for person in ("anna", "ben"):
                await run_in_shop(town, person)
        await town.wait_until(lambda: len(running(town)) == 6)
        # Another workspace is answered at both providers, and what takes long there begins at once, too.
        await town.twin.ask("/bitrise builds ios", "Sample iOS", person="ben")
        await town.twin.ask("/buildio app shop", "shop", person="ben")
        await run_in_shop(town.twin, "ben")
        await town.wait_until(lambda: len(running(town)) == 7)
        endless.released.set()


async def run_in_shop(there: WorkspaceHarness, person: str) -> None:
    """Run a command, and turn away while it runs."""
    await there.users.command(person, "builds", "/buildio run shop dyno:web.1 -- echo hello")
    await there.slack.wait_for_modal(person, "as an array of these words")
    assert await there.users.submit(person) is not None
    while there.users.modal(person) is not None:
        await there.users.close_modal(person)


def running(harness: MultiWorkspaceHarness) -> list[object]:
    return [one for one in harness.buildio.requests if one.path.endswith("/exec")]


async def test_e4_answers_that_take_long_keep_nobody_from_being_acknowledged_or_answered(
    tmp_path: Path,
) -> None:
    async with multi_workspace_harness(tmp_path, service_token_acts="0") as town:
        await town.install_everywhere()
        await town.connect("anna", "ben")
        await town.twin.connect("ben")
        await town.users.command("anna", "builds", "/bitrise trigger android")
        await town.slack.wait_for_modal("anna", "Workflow or pipeline")
        branch = (await town.users.options("anna", "pick_branch", "feature/new"))[0]
        endless = town.bitrise.fault(f"GET */apps/{town.bitrise.ios.slug}/builds", "held", times=1000)
        for _ in range(50):
            for person in ("anna", "ben"):
                assert await town.users.command(person, "builds", "/bitrise builds ios") is not None
        # Whoever has used up their own share is acknowledged, in a form too, and sees that it is under way.
        assert await town.users.submit("anna", {"branch": branch}) is not None
        await town.slack.wait_for_modal("anna", "⏳")
        assert town.bitrise.state.builds == []
        # Another workspace is answered.
        await town.twin.ask("/bitrise builds android", "Sample Android", person="ben")
        endless.released.set()
        await town.wait_until(lambda: len(town.bitrise.state.builds) == 1)
