"""Uninstalling deletes all data of the workspace and leaves that of others unchanged."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.slack import payloads
from sandbox.slack.models import TEAM
from tests.handlers.test_home import shows
from tests.sandbox.slack.web_api_call import call_web_api
from tests.support.bot_harness import BotHarness, WorkspaceHarness, bot_harness
from tests.support.multi_workspace_harness import (
    GRID,
    TWIN,
    MultiWorkspaceHarness,
    OffsetClock,
    multi_workspace_harness,
)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[MultiWorkspaceHarness]:
    async with multi_workspace_harness(tmp_path) as opened:
        await opened.install_everywhere()
        yield opened


async def use_every_feature(workspace: WorkspaceHarness) -> None:
    """Store something in every table that users write to."""
    await workspace.connect("anna")
    await workspace.ask("/bitrise use android", "Sample Android")
    await workspace.ask("/bitrise me name:octo mention:on", "`octo`")
    await workspace.ask("/bitrise subscribe android style:card", "subscribed to")
    await workspace.ask("/bitrise subscribe web style:daily", "subscribed to", channel="random")
    await workspace.ask("/bitrise trigger android workflow:deploy", "anna started Sample Android")
    shown = await workspace.ask("/bitrise policy android", "Who can do what")
    await workspace.users.click("anna", shown, "Add a rule…")
    rule = {"kind": "Require approval", "acts": ["Start builds"], "branches": "main", "minutes": "30"}
    await workspace.fill_in_rule(**rule)
    await workspace.wait_for_message("New access rule: Approval", person=None)
    await workspace.users.command("ben", "builds", "/bitrise trigger android branch:main")
    await workspace.wait_for_message("ben requests approval to start Sample Android", person=None)


async def assert_removed(harness: BotHarness, team: str) -> None:
    await harness.wait_until(lambda: harness.count_rows_with(team) == {})


TABLES_WITH_DATA = {
    "accounts",
    "audit",
    "audit_chains",
    "audit_register",
    "channels",
    "deliveries",
    "installations",
    "messages",
    "notifications",
    "people",
    "policies",
    "proposals",
    "starts",
    "subscriptions",
    "workflow_steps",
}


async def test_uninstalling_deletes_a_workspace_from_every_table_and_no_other(
    harness: MultiWorkspaceHarness,
) -> None:
    for workspace in (harness, harness.twin):
        await use_every_feature(workspace)
        running = harness.bitrise.start_build(harness.bitrise.android)
        step = {"app": "android", "build": running.slug}
        workspace.users.run_step("wait_for_bitrise_build", step)
    await harness.wait_for_commands("wait_for_bitrise_build", 2)
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.web))
    for workspace in (harness, harness.twin):
        await workspace.wait_for_message("is failing", person=None)
    await harness.wait_until(
        lambda: {"notifications"} <= set(harness.count_rows_with(TEAM)) & set(harness.count_rows_with(TWIN))
    )
    assert set(harness.count_rows_with(TEAM)) == set(harness.count_rows_with(TWIN)) == TABLES_WITH_DATA
    await harness.wait_for_poll()
    before = harness.count_rows_with(TWIN)
    harness.slack.uninstall(TEAM)
    await assert_removed(harness, TEAM)
    assert harness.count_rows_with(TWIN) == before
    harness.slack.uninstall(TWIN)
    await assert_removed(harness, TWIN)
    # The remaining data belongs to the provider and to no workspace.
    assert set(harness.count_rows_with("")) <= {
        "_sqlite_migrations",
        "audit_register",
        "builds",
        "build_requests",
        "looks",
        "oauth_states",
        "removed_workspaces",
        "pipelines",
        "series",
        "sqlite_sequence",
    }


async def test_apps_without_other_subscriptions_are_no_longer_polled(harness: MultiWorkspaceHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed to")
    await harness.ask("/bitrise subscribe web", "subscribed to")
    await harness.twin.ask("/bitrise subscribe android", "subscribed to")
    assert set(harness.count_rows_with(harness.bitrise.web.slug)) >= {"watched_apps"}
    harness.slack.uninstall(TEAM)
    await assert_removed(harness, TEAM)
    assert "watched_apps" not in harness.count_rows_with(harness.bitrise.web.slug)
    assert "watched_apps" in harness.count_rows_with(harness.bitrise.android.slug)
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    await harness.twin.wait_for_message("Sample Android #1 passed", person=None)


async def test_slack_is_not_called_for_an_uninstalled_workspace(tmp_path: Path) -> None:
    async with multi_workspace_harness(tmp_path, seconds={"follow_seconds": 0.05}) as harness:
        await harness.install_everywhere()
        for workspace in (harness, harness.twin):
            await workspace.ask("/bitrise subscribe android style:live", "subscribed")
        running = harness.bitrise.start_build(harness.bitrise.android)
        harness.bitrise.start_running(running)
        await harness.wait_for_message("is running", person=None)
        card = await harness.ask("/bitrise log android #1", "#1")
        await harness.press(card, "Follow", "Following the log")
        for workspace in (harness, harness.twin):
            workspace.users.open_home("anna")
            await wait_for_home(workspace, "Sample Android #1 is running")
        # The dispatcher is pausing because of Slack's rate limit.
        harness.slack.fault("chat.update", "ratelimited", seconds=1)
        harness.slack.uninstall(TEAM)
        await assert_removed(harness, TEAM)
        count = len(harness.slack.request_log.entries)
        harness.bitrise.finish(running)
        await wait_for_home(harness.twin, "Nothing is running")
        await harness.wait_for_poll()
        refused = [
            request
            for request in list(harness.slack.request_log.entries)[count:]
            if "account_inactive" in str(request.response)
        ]
        assert len(refused) <= 1  # a call that was in progress


async def wait_for_home(workspace: WorkspaceHarness, *texts: str) -> None:
    await shows(workspace, *texts)  # type: ignore[arg-type]  # it asks for no more than a conversation has


async def test_a_reinstalled_workspace_starts_empty(harness: MultiWorkspaceHarness) -> None:
    await use_every_feature(harness)
    harness.slack.uninstall(TEAM)
    await assert_removed(harness, TEAM)
    status, page = await harness.install()
    assert status == 200, page
    assert set(harness.count_rows_with(TEAM)) == {"installations"}
    assert "anna-berg" not in harness.message_text(await harness.ask("/bitrise whoami"))
    assert "requires approval" not in harness.message_text(await harness.ask("/bitrise policy android"))
    assert "Sample Android" not in harness.message_text(await harness.ask("/bitrise subscriptions"))
    assert "octo" not in harness.message_text(await harness.ask("/bitrise me"))
    await harness.ask("/bitrise builds", "Which app?")
    listed = harness.message_text(await harness.ask("/bitrise audit all"))
    assert "rule" not in listed
    await harness.ask("/bitrise subscribe android", "subscribed to")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    await harness.wait_for_message("passed", person=None)


async def test_a_revoked_token_beside_a_valid_one_does_not_delete_the_workspace(tmp_path: Path) -> None:
    clock = OffsetClock()
    async with multi_workspace_harness(tmp_path, rotating=True, now=clock) as harness:
        await harness.install()
        await harness.ask("/bitrise subscribe android", "subscribed to")
        before = next(reversed(harness.slack.installations.tokens))
        clock.passed += timedelta(hours=11)
        harness.users.say("anna", "D0ANNA", "help")
        await harness.wait_for_message("Commands", channel="D0ANNA")
        # If Slack can't say whether there is another token, nothing is deleted.
        harness.slack.fault("auth.test", "error", words="internal_error")
        assert (await call_web_api(harness.slack, "auth.revoke", token=before))["revoked"] is True
        await harness.wait_for_commands("tokens_revoked")
        assert "subscriptions" in harness.count_rows_with(TEAM)
        # The event comes again, when Slack can say it.
        inner = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["U0BUILDBELL"]}}
        harness.slack.delivery.event(payloads.uninstall_event(inner, payloads.DEFAULT_SOURCE))
        await harness.wait_for_commands("tokens_revoked", 2)
        await harness.ask("/bitrise subscriptions", "Sample Android")
        # The last token is revoked.
        after = next(reversed(harness.slack.installations.tokens))
        assert (await call_web_api(harness.slack, "auth.revoke", token=after))["revoked"] is True
        await assert_removed(harness, TEAM)


async def test_a_late_uninstall_event_does_not_delete_a_newer_installation(
    harness: MultiWorkspaceHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, origin = payloads.uninstall_event, payloads.DEFAULT_SOURCE

    def delayed_event(inner: Mapping[str, Any], origin: payloads.PayloadSource) -> dict[str, Any]:
        return original(inner, origin) | {"event_time": int(time.time()) - 60}

    await harness.ask("/bitrise subscribe android", "subscribed to")
    harness.slack.delivery.event(delayed_event({"type": "app_uninstalled"}, origin))
    await harness.wait_for_commands("app_uninstalled")
    await harness.ask("/bitrise subscriptions", "Sample Android")
    # A late event is accepted if it is true: the token no longer works.
    monkeypatch.setattr(payloads, "uninstall_event", delayed_event)
    harness.slack.uninstall(TEAM)
    await assert_removed(harness, TEAM)


async def test_a_single_workspace_is_deleted_on_uninstall(tmp_path: Path) -> None:
    async with bot_harness(tmp_path) as harness:
        await use_every_feature(harness)
        rows = harness.count_rows_with(TEAM)
        assert {"subscriptions", "accounts", "policies", "proposals", "audit", "messages"} <= set(rows)
        harness.slack.uninstall(TEAM)
        await assert_removed(harness, TEAM)


async def test_a_request_in_progress_during_uninstall_stores_nothing(harness: MultiWorkspaceHarness) -> None:
    """A handler that started before the uninstallation stores nothing afterwards."""
    await harness.ask("/bitrise use android", "Sample Android")
    harness.bitrise.fault("POST */builds", "slow", seconds=0.5)
    await harness.users.command("anna", "builds", "/bitrise trigger android workflow:primary")
    await harness.wait_until(lambda: harness.count_rows_with("begun") != {})
    harness.slack.uninstall(TEAM)
    await assert_removed(harness, TEAM)
    await harness.wait_until(lambda: len(harness.bitrise.state.builds) == 1)
    await harness.stop_bot()  # waits for requests in progress
    assert harness.count_rows_with(TEAM) == {}


async def test_without_an_installation_the_response_says_who_can_install_the_app(
    harness: MultiWorkspaceHarness,
) -> None:
    await harness.stop_bot()
    await harness.execute("DELETE FROM installations WHERE team_id = ?", TEAM)
    await harness.start_bot()
    # It is not known whether the app was ever installed, so the response does not say.
    post = await harness.ask("/bitrise apps", "isn't installed in this workspace")
    assert harness.message_text(post).endswith(
        "Buildbell isn't installed in this workspace. Ask an admin to install it."
    )
    await harness.twin.ask("/bitrise apps", "3 apps")


async def test_uninstalling_an_organisation_deletes_all_its_workspaces(tmp_path: Path) -> None:
    async with multi_workspace_harness(tmp_path) as harness:
        east, west = harness.add_organisation()
        await harness.install(TWIN)
        status, page = await harness.install("T0EAST", organisation=True)
        assert (status, "Buildbell is installed in Grid Inc" in page) == (200, True)
        assert "/manage/E0GRID/integrations/profile/A0BUILDBELL/workspaces/add" in page
        for workspace in (east, west, harness.twin):
            await use_every_feature(workspace)
        await harness.wait_for_poll()  # the poll that sees the started builds adds notifications
        before = harness.count_rows_with(TWIN)
        harness.slack.uninstall(GRID.id)
        for team in ("T0EAST", "T0WEST", GRID.id):
            await assert_removed(harness, team)
        assert harness.count_rows_with(TWIN) == before
        status, _ = await harness.install("T0EAST", organisation=True)
        assert status == 200
        await east.ask("/bitrise builds", "Which app?")
        west.users.say("anna", "D0ANNA", "help")
        await west.wait_for_message("Commands", channel="D0ANNA")
