"""A workspace that takes the app out: everything of it is gone, everything of the others is as it was."""

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


async def use_every_feature(place: WorkspaceHarness) -> None:
    """Leave something in every table that people write."""
    await place.connect("anna")
    await place.ask("/bitrise use android", "Sample Android")
    await place.ask("/bitrise me name:octo mention:on", "`octo`")
    await place.ask("/bitrise subscribe android style:card", "subscribed this channel")
    await place.ask("/bitrise subscribe web style:daily", "subscribed this channel", channel="random")
    await place.ask("/bitrise trigger android workflow:deploy", "anna started Sample Android")
    shown = await place.ask("/bitrise policy android", "Who may do what")
    await place.users.click("anna", shown, "Add a rule…")
    rule = {"kind": "Needs a second person", "acts": ["Start builds"], "branches": "main", "minutes": "30"}
    await place.fill_in_rule(**rule)
    await place.wait_for_message("A new rule: Starting builds", person=None)
    await place.users.command("ben", "builds", "/bitrise trigger android branch:main")
    await place.wait_for_message("ben wants to start Sample Android", person=None)


async def assert_removed(harness: BotHarness, team: str) -> None:
    await harness.wait_until(lambda: harness.count_rows_with(team) == {})


LIVED = {
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


async def test_everything_of_it_is_gone_from_every_table_and_the_others_stay(
    harness: MultiWorkspaceHarness,
) -> None:
    for place in (harness, harness.twin):
        await use_every_feature(place)
        running = harness.bitrise.start_build(harness.bitrise.android)
        step = {"app": "android", "build": running.slug}
        place.users.run_step("wait_for_bitrise_build", step)
    await harness.wait_for_commands("wait_for_bitrise_build", 2)
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.web))
    for place in (harness, harness.twin):
        await place.wait_for_message("is broken", person=None)
    await harness.wait_until(
        lambda: {"notifications"} <= set(harness.count_rows_with(TEAM)) & set(harness.count_rows_with(TWIN))
    )
    assert set(harness.count_rows_with(TEAM)) == set(harness.count_rows_with(TWIN)) == LIVED
    await harness.wait_for_poll()
    before = harness.count_rows_with(TWIN)
    harness.slack.uninstall(TEAM)
    await assert_removed(harness, TEAM)
    assert harness.count_rows_with(TWIN) == before
    harness.slack.uninstall(TWIN)
    await assert_removed(harness, TWIN)
    # What is left is of the provider, and of no workspace.
    assert set(harness.count_rows_with("")) <= {
        "_sqlite_migrations",
        "audit_register",
        "builds",
        "build_requests",
        "looks",
        "oauth_states",
        "pipelines",
        "series",
        "sqlite_sequence",
    }


async def test_apps_that_nobody_else_follows_are_watched_no_more(harness: MultiWorkspaceHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed this channel")
    await harness.ask("/bitrise subscribe web", "subscribed this channel")
    await harness.twin.ask("/bitrise subscribe android", "subscribed this channel")
    assert set(harness.count_rows_with(harness.bitrise.web.slug)) >= {"watched_apps"}
    harness.slack.uninstall(TEAM)
    await assert_removed(harness, TEAM)
    assert "watched_apps" not in harness.count_rows_with(harness.bitrise.web.slug)
    assert "watched_apps" in harness.count_rows_with(harness.bitrise.android.slug)
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    await harness.twin.wait_for_message("Sample Android #1 succeeded", person=None)


async def test_nothing_is_asked_of_slack_for_it_any_more(tmp_path: Path) -> None:
    async with multi_workspace_harness(tmp_path, seconds={"follow_seconds": 0.05}) as town:
        await town.install_everywhere()
        for place in (town, town.twin):
            await place.ask("/bitrise subscribe android style:live", "subscribed")
        running = town.bitrise.start_build(town.bitrise.android)
        town.bitrise.start_running(running)
        await town.wait_for_message("is running", person=None)
        card = await town.ask("/bitrise log android #1", "#1")
        await town.press(card, "Follow", "I follow")
        for place in (town, town.twin):
            place.users.open_home("anna")
            await shows_in(place, "Sample Android #1 is running")
        # The relay is in the midst of a pause that Slack has asked for.
        town.slack.fault("chat.update", "ratelimited", seconds=1)
        town.slack.uninstall(TEAM)
        await assert_removed(town, TEAM)
        asked = len(town.slack.request_log.entries)
        town.bitrise.finish(running)
        await shows_in(town.twin, "Nothing is running")
        await town.wait_for_poll()
        refused = [
            one
            for one in list(town.slack.request_log.entries)[asked:]
            if "account_inactive" in str(one.response)
        ]
        assert len(refused) <= 1  # what was under way when it happened


async def shows_in(place: WorkspaceHarness, *texts: str) -> None:
    await shows(place, *texts)  # type: ignore[arg-type]  # it asks for no more than a conversation has


async def test_installed_again_it_starts_clean(harness: MultiWorkspaceHarness) -> None:
    await use_every_feature(harness)
    harness.slack.uninstall(TEAM)
    await assert_removed(harness, TEAM)
    status, page = await harness.install()
    assert status == 200, page
    assert set(harness.count_rows_with(TEAM)) == {"installations"}
    assert "anna-berg" not in harness.message_text(await harness.ask("/bitrise whoami"))
    assert "second person" not in harness.message_text(await harness.ask("/bitrise policy android"))
    assert "Sample Android" not in harness.message_text(await harness.ask("/bitrise subscriptions"))
    assert "octo" not in harness.message_text(await harness.ask("/bitrise me"))
    await harness.ask("/bitrise builds", "Which app?")
    listed = harness.message_text(await harness.ask("/bitrise audit all"))
    assert "rule" not in listed
    await harness.ask("/bitrise subscribe android", "subscribed this channel")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    await harness.wait_for_message("succeeded", person=None)


async def test_a_token_that_is_revoked_beside_another_is_not_the_end(tmp_path: Path) -> None:
    hours = OffsetClock()
    async with multi_workspace_harness(tmp_path, rotating=True, now=hours) as town:
        await town.install()
        await town.ask("/bitrise subscribe android", "subscribed this channel")
        before = next(reversed(town.slack.installations.tokens))
        hours.passed += timedelta(hours=11)
        town.users.say("anna", "D0ANNA", "help")
        await town.wait_for_message("What you can type", channel="D0ANNA")
        # Slack that can't say whether there is another is no reason to wipe anything.
        town.slack.fault("auth.test", "error", words="internal_error")
        assert (await call_web_api(town.slack, "auth.revoke", token=before))["revoked"] is True
        await town.wait_for_commands("tokens_revoked")
        assert "subscriptions" in town.count_rows_with(TEAM)
        # Told once more, when Slack can say it.
        inner = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["U0BUILDBELL"]}}
        town.slack.delivery.event(payloads.uninstall_event(inner, payloads.DEFAULT_SOURCE))
        await town.wait_for_commands("tokens_revoked", 2)
        await town.ask("/bitrise subscriptions", "Sample Android")
        # The last one is.
        after = next(reversed(town.slack.installations.tokens))
        assert (await call_web_api(town.slack, "auth.revoke", token=after))["revoked"] is True
        await assert_removed(town, TEAM)


async def test_an_uninstall_that_slack_tells_late_is_not_taken_for_a_new_one(
    harness: MultiWorkspaceHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, origin = payloads.uninstall_event, payloads.DEFAULT_SOURCE

    def late(inner: Mapping[str, Any], origin: payloads.PayloadSource) -> dict[str, Any]:
        return original(inner, origin) | {"event_time": int(time.time()) - 60}

    await harness.ask("/bitrise subscribe android", "subscribed this channel")
    harness.slack.delivery.event(late({"type": "app_uninstalled"}, origin))
    await harness.wait_for_commands("app_uninstalled")
    await harness.ask("/bitrise subscriptions", "Sample Android")
    # One that is old and true all the same is taken: nobody is let in there any more.
    monkeypatch.setattr(payloads, "uninstall_event", late)
    harness.slack.uninstall(TEAM)
    await assert_removed(harness, TEAM)


async def test_where_only_one_workspace_is_it_is_wiped_just_the_same(tmp_path: Path) -> None:
    async with bot_harness(tmp_path) as town:
        await use_every_feature(town)
        rows = town.count_rows_with(TEAM)
        assert {"subscriptions", "accounts", "policies", "proposals", "audit", "messages"} <= set(rows)
        town.slack.uninstall(TEAM)
        await assert_removed(town, TEAM)


async def test_what_was_under_way_when_it_went_leaves_nothing_behind(harness: MultiWorkspaceHarness) -> None:
    """A handler that had begun before has nothing left to write into."""
    await harness.ask("/bitrise use android", "Sample Android")
    harness.bitrise.fault("POST */builds", "slow", seconds=0.5)
    await harness.users.command("anna", "builds", "/bitrise trigger android workflow:primary")
    await harness.wait_until(lambda: harness.count_rows_with("begun") != {})
    harness.slack.uninstall(TEAM)
    await assert_removed(harness, TEAM)
    await harness.wait_until(lambda: len(harness.bitrise.state.builds) == 1)
    await harness.stop_bot()  # which waits for what is under way
    assert harness.count_rows_with(TEAM) == {}


async def test_an_organisation_takes_all_its_workspaces_along(tmp_path: Path) -> None:
    async with multi_workspace_harness(tmp_path) as town:
        east, west = town.add_organisation()
        await town.install(TWIN)
        status, page = await town.install("T0EAST", organisation=True)
        assert (status, "Buildbell is installed in Grid Inc" in page) == (200, True)
        assert "/manage/E0GRID/integrations/profile/A0BUILDBELL/workspaces/add" in page
        for place in (east, west, town.twin):
            await use_every_feature(place)
        before = town.count_rows_with(TWIN)
        town.slack.uninstall(GRID.id)
        for team in ("T0EAST", "T0WEST", GRID.id):
            await assert_removed(town, team)
        assert town.count_rows_with(TWIN) == before
        status, _ = await town.install("T0EAST", organisation=True)
        assert status == 200
        await east.ask("/bitrise builds", "Which app?")
        west.users.say("anna", "D0ANNA", "help")
        await west.wait_for_message("What you can type", channel="D0ANNA")
