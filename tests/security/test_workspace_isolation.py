"""Attackers in another workspace of the same Buildbell (SECURITY.md, E), and installations (A4, A8, A10)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from providers.buildio.provider import BUILDIO
from sandbox.buildio.oauth_grants import CLIENT_ID, CLIENT_SECRET
from sandbox.slack.models import TEAM
from services.request import forms
from tests.bot.slack.test_workspace_isolation import bot_messages
from tests.support.bot_harness import WorkspaceHarness
from tests.support.multi_workspace_harness import GRID, TWIN, MultiWorkspaceHarness, multi_workspace_harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[MultiWorkspaceHarness]:
    async with multi_workspace_harness(tmp_path, service_token_acts="0") as opened:
        yield opened


async def test_a4_an_installation_can_not_be_finished_in_another_browser(
    harness: MultiWorkspaceHarness,
) -> None:
    async with aiohttp.ClientSession() as mallory, aiohttp.ClientSession() as victim:
        async with mallory.get(f"{harness.url}/slack/install", allow_redirects=False) as started:
            page = (started.headers.get("Location") or "") + await started.text()
        state = re.findall(r"state=([\w-]+)", page)[0]
        for state_sent in (state, "made-up", ""):
            address = f"{harness.url}/slack/oauth_redirect?code=a-code-of-mallorys&state={state_sent}"
            async with victim.get(address) as response:
                assert response.status in (400, 401)
    assert await harness.rows("SELECT * FROM installations") == []


async def test_a10_starting_any_number_of_installations_writes_nothing(tmp_path: Path) -> None:
    async with multi_workspace_harness(
        tmp_path,
        service_token_acts="0",
        poll_interval="3600",
        poll_interval_active="3600",
        buildio_client_id=CLIENT_ID,
        buildio_client_secret=CLIENT_SECRET,
    ) as harness:
        await harness.install_everywhere()
        await harness.twin.ask("/bitrise help", "Commands")
        states = await harness.rows("SELECT * FROM oauth_states")
        with closing(sqlite3.connect(harness.folder / "buildbell.db")) as other_connection:

            def version() -> int:
                """Return a number that changes with each write of another connection (sqlite.org, "data_version")."""
                return int(other_connection.execute("PRAGMA data_version").fetchone()[0])

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
                        async with anybody.get(harness.url + path, allow_redirects=False) as answer:
                            assert answer.status == status
            assert version() == before
        assert await harness.rows("SELECT * FROM oauth_states") == states


async def test_a8_a_workspace_that_is_not_in_the_settings_can_not_install_or_use_the_app(
    tmp_path: Path,
) -> None:
    async with multi_workspace_harness(
        tmp_path, service_token_acts="1", slack_workspaces=f"{TEAM},{TWIN}"
    ) as harness:
        east, _ = harness.add_organisation()
        await harness.install_everywhere()
        await harness.twin.ask("/bitrise apps", "3 apps")
        # Neither it nor its organisation is in the settings: no token is stored, and the issued ones are revoked.
        for how in ({}, {"organisation": True}):
            status, page = await harness.install("T0EAST", **how)
            assert status == 403
            assert "This Buildbell is for other workspaces" in page
        assert sorted(await harness.rows("SELECT team_id FROM installations")) == [(TEAM,), (TWIN,)]
        tokens = harness.slack.installations.tokens.values()
        assert [
            token for token in tokens if token.installation.covers(east.slack.workspace) and not token.revoked
        ] == []
        # A workspace that was installed before, and is no longer in the settings.
        await harness.stop_bot()
        harness.change_settings(slack_workspaces=TEAM)
        with capture_logs() as logged:
            await harness.start_bot()
        assert [line["team"] for line in logged if line["event"] == "slack.not_served"] == [TWIN]
        before = bot_messages(harness.twin)
        await harness.twin.users.command("anna", "builds", "/bitrise apps")
        await harness.twin.wait_for_message("This Buildbell is for other workspaces")
        harness.twin.users.open_home("anna")
        harness.twin.users.say("anna", "D0ANNA", "apps")
        await harness.ask("/bitrise apps", "3 apps")
        assert len(bot_messages(harness.twin)) == len(before) + 1
        assert harness.twin.slack.workspace.homes == {}
        # The app can still be uninstalled, which deletes the installation.
        harness.slack.uninstall(TWIN)
        await harness.wait_for_commands("app_uninstalled")
        assert await harness.rows("SELECT team_id FROM installations") == [(TEAM,)]


async def test_an_organisation_in_the_settings_installs_for_all_its_workspaces(tmp_path: Path) -> None:
    async with multi_workspace_harness(tmp_path, service_token_acts="1", slack_workspaces=GRID.id) as harness:
        east, west = harness.add_organisation()
        status, page = await harness.install("T0EAST", organisation=True)
        assert status == 200, page
        for workspace in (east, west):
            await workspace.ask("/bitrise apps", "3 apps")
        assert (await harness.install(TWIN))[0] == 403


async def test_e1_a_workspace_reads_and_changes_only_its_own_data(harness: MultiWorkspaceHarness) -> None:
    await harness.install_everywhere()
    await harness.connect("anna")
    await harness.ask("/bitrise subscribe android", "subscribed")
    await harness.ask("/bitrise use android", "set this channel's app to")
    await harness.twin.ask("/bitrise subscriptions", "No subscriptions here yet")
    await harness.twin.ask("/bitrise whoami", "You have no connected Bitrise account")
    await harness.twin.ask("/bitrise status", "")
    await harness.twin.ask("/bitrise audit", "No audit entries")
    await harness.twin.ask("/bitrise unsubscribe 1", "No such subscription here")
    text = " ".join(
        harness.twin.message_text(post)
        for channel in harness.twin.slack.workspace.channels.values()
        for post in channel.posts
    )
    assert "Sample Android" not in text
    assert await harness.rows("SELECT team_id, stopped_reason FROM subscriptions") == [(TEAM, None)]


async def test_e2_uninstalling_the_app_deletes_all_data_of_the_workspace(
    harness: MultiWorkspaceHarness,
) -> None:
    await harness.install_everywhere()
    for workspace in (harness, harness.twin):
        await workspace.connect("anna")
        await workspace.ask("/bitrise subscribe android", "subscribed")
    harness.slack.uninstall(TWIN)
    await harness.wait_for_commands("app_uninstalled")
    await harness.stop_bot()
    connection = sqlite3.connect(harness.folder / "buildbell.db")
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    rows_by_table = {table: str(connection.execute(f"SELECT * FROM {table}").fetchall()) for table in tables}  # noqa: S608
    connection.close()
    assert [table for table, rows in rows_by_table.items() if TWIN in rows] == []
    assert TEAM in rows_by_table["accounts"]


async def test_e3_busy_connections_of_one_workspace_do_not_block_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "PATIENCE_SECONDS", 0.01)
    (tmp_path / "policy.toml").write_text(
        f'[[rule]]\nallow = ["run"]\nwho = ["U0ANNA", "U0BEN"]\nworkspaces = ["{TEAM}", "{TWIN}"]\n'
    )
    rules = str(tmp_path / "policy.toml")
    async with multi_workspace_harness(tmp_path, policy_file=rules, service_token_acts="0") as harness:
        await harness.install_everywhere()
        await harness.connect("anna", "ben", provider=BUILDIO)
        await harness.twin.connect("ben", provider=BUILDIO)
        await harness.twin.connect("ben")
        held_requests = harness.buildio.fault("POST */exec", "held", times=1000)
        for _ in range(10):
            for person in ("anna", "ben"):
                await run_in_shop(harness, person)
        await harness.wait_until(lambda: len(running(harness)) == 6)
        # Another workspace is answered at both providers, and its own slow requests start at once.
        await harness.twin.ask("/bitrise builds ios", "Sample iOS", person="ben")
        await harness.twin.ask("/buildio app shop", "shop", person="ben")
        await run_in_shop(harness.twin, "ben")
        await harness.wait_until(lambda: len(running(harness)) == 7)
        held_requests.released.set()


async def run_in_shop(workspace: WorkspaceHarness, person: str) -> None:
    """Run a command, and close the modal while it runs."""
    await workspace.users.command(person, "builds", "/buildio run shop dyno:web.1 -- echo hello")
    await workspace.slack.wait_for_modal(person, "as an array of these words")
    assert await workspace.users.submit(person) is not None
    while workspace.users.modal(person) is not None:
        await workspace.users.close_modal(person)


def running(harness: MultiWorkspaceHarness) -> list[object]:
    return [request for request in harness.buildio.requests if request.path.endswith("/exec")]


async def test_e4_slow_answers_do_not_delay_acknowledgements_or_other_answers(
    tmp_path: Path,
) -> None:
    async with multi_workspace_harness(tmp_path, service_token_acts="0") as harness:
        await harness.install_everywhere()
        await harness.connect("anna", "ben")
        await harness.twin.connect("ben")
        await harness.users.command("anna", "builds", "/bitrise trigger android")
        await harness.slack.wait_for_modal("anna", "Workflow or pipeline")
        branch = (await harness.users.options("anna", "pick_branch", "feature/new"))[0]
        held_requests = harness.bitrise.fault(
            f"GET */apps/{harness.bitrise.ios.slug}/builds", "held", times=1000
        )
        for _ in range(50):
            for person in ("anna", "ben"):
                assert await harness.users.command(person, "builds", "/bitrise builds ios") is not None
        # A person with too many requests is still acknowledged, in a form too, and sees that it is in progress.
        assert await harness.users.submit("anna", {"branch": branch}) is not None
        await harness.slack.wait_for_modal("anna", "⏳")
        assert harness.bitrise.state.builds == []
        # Another workspace is answered.
        await harness.twin.ask("/bitrise builds android", "Sample Android", person="ben")
        held_requests.released.set()
        await harness.wait_until(lambda: len(harness.bitrise.state.builds) == 1)
