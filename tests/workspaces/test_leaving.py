"""A workspace that takes the app out: everything of it is gone, everything of the others is as it was."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.slack import payloads
from sandbox.slack.workspace import TEAM
from tests.handlers.test_home import shows
from tests.sandbox.calls import call
from tests.town import Conversation, Town, open_town
from tests.workspaces.towns import GRID, TWIN, Hours, ManyTown, open_many


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[ManyTown]:
    async with open_many(tmp_path) as opened:
        await opened.install_everywhere()
        yield opened


async def live_in(place: Conversation) -> None:
    """Leave something in every table that people write."""
    await place.connect("anna")
    await place.ask("/bitrise use android", "Sample Android")
    await place.ask("/bitrise me name:octo mention:on", "`octo`")
    await place.ask("/bitrise subscribe android style:card", "subscribed this channel")
    await place.ask("/bitrise subscribe web style:daily", "subscribed this channel", channel="random")
    await place.ask("/bitrise trigger android workflow:deploy", "anna started Sample Android")
    shown = await place.ask("/bitrise policy android", "Who may do what")
    await place.people.click("anna", shown, "Add a rule…")
    rule = {"kind": "Needs a second person", "acts": ["Start builds"], "branches": "main", "minutes": "30"}
    await place.fill_in_rule(**rule)
    await place.told("A new rule: Starting builds", person=None)
    await place.people.command("ben", "builds", "/bitrise trigger android branch:main")
    await place.told("ben wants to start Sample Android", person=None)


async def forgotten(town: Town, team: str) -> None:
    await town.until(lambda: town.rows_with(team) == {})


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


async def test_everything_of_it_is_gone_from_every_table_and_the_others_stay(town: ManyTown) -> None:
    for place in (town, town.twin):
        await live_in(place)
        running = town.bitrise.start_build(town.bitrise.android)
        step = {"app": "android", "build": running.slug}
        place.people.run_step("wait_for_bitrise_build", step)
    await town.answered("wait_for_bitrise_build", 2)
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.android), "error")
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.web))
    for place in (town, town.twin):
        await place.told("is broken", person=None)
    await town.until(lambda: {"notifications"} <= set(town.rows_with(TEAM)) & set(town.rows_with(TWIN)))
    assert set(town.rows_with(TEAM)) == set(town.rows_with(TWIN)) == LIVED
    await town.looked()
    before = town.rows_with(TWIN)
    town.slack.uninstall(TEAM)
    await forgotten(town, TEAM)
    assert town.rows_with(TWIN) == before
    town.slack.uninstall(TWIN)
    await forgotten(town, TWIN)
    # What is left is of the provider, and of no workspace.
    assert set(town.rows_with("")) <= {
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


async def test_apps_that_nobody_else_follows_are_watched_no_more(town: ManyTown) -> None:
    await town.ask("/bitrise subscribe android", "subscribed this channel")
    await town.ask("/bitrise subscribe web", "subscribed this channel")
    await town.twin.ask("/bitrise subscribe android", "subscribed this channel")
    assert set(town.rows_with(town.bitrise.web.slug)) >= {"watched_apps"}
    town.slack.uninstall(TEAM)
    await forgotten(town, TEAM)
    assert "watched_apps" not in town.rows_with(town.bitrise.web.slug)
    assert "watched_apps" in town.rows_with(town.bitrise.android.slug)
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.android))
    await town.twin.told("Sample Android #1 succeeded", person=None)


async def test_nothing_is_asked_of_slack_for_it_any_more(tmp_path: Path) -> None:
    async with open_many(tmp_path, seconds={"follow_seconds": 0.05}) as town:
        await town.install_everywhere()
        for place in (town, town.twin):
            await place.ask("/bitrise subscribe android style:live", "subscribed")
        running = town.bitrise.start_build(town.bitrise.android)
        town.bitrise.run(running)
        await town.told("is running", person=None)
        card = await town.ask("/bitrise log android #1", "#1")
        await town.press(card, "Follow", "I follow")
        for place in (town, town.twin):
            place.people.open_home("anna")
            await shows_in(place, "Sample Android #1 is running")
        # The relay is in the midst of a pause that Slack has asked for.
        town.slack.fault("chat.update", "ratelimited", seconds=1)
        town.slack.uninstall(TEAM)
        await forgotten(town, TEAM)
        asked = len(town.slack.journal.entries)
        town.bitrise.finish(running)
        await shows_in(town.twin, "Nothing is running")
        await town.looked()
        refused = [
            one for one in list(town.slack.journal.entries)[asked:] if "account_inactive" in str(one.answer)
        ]
        assert len(refused) <= 1  # what was under way when it happened


async def shows_in(place: Conversation, *texts: str) -> None:
    await shows(place, *texts)  # type: ignore[arg-type]  # it asks for no more than a conversation has


async def test_installed_again_it_starts_clean(town: ManyTown) -> None:
    await live_in(town)
    town.slack.uninstall(TEAM)
    await forgotten(town, TEAM)
    status, page = await town.install()
    assert status == 200, page
    assert set(town.rows_with(TEAM)) == {"installations"}
    assert "anna-berg" not in town.words(await town.ask("/bitrise whoami"))
    assert "second person" not in town.words(await town.ask("/bitrise policy android"))
    assert "Sample Android" not in town.words(await town.ask("/bitrise subscriptions"))
    assert "octo" not in town.words(await town.ask("/bitrise me"))
    await town.ask("/bitrise builds", "Which app?")
    listed = town.words(await town.ask("/bitrise audit all"))
    assert "rule" not in listed
    await town.ask("/bitrise subscribe android", "subscribed this channel")
    town.bitrise.finish(town.bitrise.start_build(town.bitrise.android))
    await town.told("succeeded", person=None)


async def test_a_token_that_is_revoked_beside_another_is_not_the_end(tmp_path: Path) -> None:
    hours = Hours()
    async with open_many(tmp_path, rotating=True, now=hours) as town:
        await town.install()
        await town.ask("/bitrise subscribe android", "subscribed this channel")
        before = next(reversed(town.slack.installations.tokens))
        hours.passed += timedelta(hours=11)
        town.people.say("anna", "D0ANNA", "help")
        await town.told("What you can type", channel="D0ANNA")
        # Slack that can't say whether there is another is no reason to wipe anything.
        town.slack.fault("auth.test", "error", words="internal_error")
        assert (await call(town.slack, "auth.revoke", token=before))["revoked"] is True
        await town.answered("tokens_revoked")
        assert "subscriptions" in town.rows_with(TEAM)
        # Told once more, when Slack can say it.
        inner = {"type": "tokens_revoked", "tokens": {"oauth": [], "bot": ["U0BUILDBELL"]}}
        town.slack.delivery.event(payloads.of_the_end(inner, payloads.FIRST))
        await town.answered("tokens_revoked", 2)
        await town.ask("/bitrise subscriptions", "Sample Android")
        # The last one is.
        after = next(reversed(town.slack.installations.tokens))
        assert (await call(town.slack, "auth.revoke", token=after))["revoked"] is True
        await forgotten(town, TEAM)


async def test_an_uninstall_that_slack_tells_late_is_not_taken_for_a_new_one(
    town: ManyTown, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, origin = payloads.of_the_end, payloads.FIRST

    def late(inner: Mapping[str, Any], origin: payloads.Origin) -> dict[str, Any]:
        return original(inner, origin) | {"event_time": int(time.time()) - 60}

    await town.ask("/bitrise subscribe android", "subscribed this channel")
    town.slack.delivery.event(late({"type": "app_uninstalled"}, origin))
    await town.answered("app_uninstalled")
    await town.ask("/bitrise subscriptions", "Sample Android")
    # One that is old and true all the same is taken: nobody is let in there any more.
    monkeypatch.setattr(payloads, "of_the_end", late)
    town.slack.uninstall(TEAM)
    await forgotten(town, TEAM)


async def test_where_only_one_workspace_is_it_is_wiped_just_the_same(tmp_path: Path) -> None:
    async with open_town(tmp_path) as town:
        await live_in(town)
        rows = town.rows_with(TEAM)
        assert {"subscriptions", "accounts", "policies", "proposals", "audit", "messages"} <= set(rows)
        town.slack.uninstall(TEAM)
        await forgotten(town, TEAM)


async def test_what_was_under_way_when_it_went_leaves_nothing_behind(town: ManyTown) -> None:
    """A handler that had begun before has nothing left to write into."""
    await town.ask("/bitrise use android", "Sample Android")
    town.bitrise.fault("POST */builds", "slow", seconds=0.5)
    await town.people.command("anna", "builds", "/bitrise trigger android workflow:primary")
    await town.until(lambda: town.rows_with("begun") != {})
    town.slack.uninstall(TEAM)
    await forgotten(town, TEAM)
    await town.until(lambda: len(town.bitrise.farm.builds) == 1)
    await town.stop_bot()  # which waits for what is under way
    assert town.rows_with(TEAM) == {}


async def test_whoever_asks_where_nothing_is_known_of_an_installation_hears_who_can_install_it(
    town: ManyTown,
) -> None:
    await town.stop_bot()
    await town.execute("DELETE FROM installations WHERE team_id = ?", TEAM)
    await town.start_bot()
    # Whether it ever was installed is not known, so nothing is said of that.
    said = await town.ask("/bitrise apps", "not installed in this workspace")
    assert town.words(said).endswith("I am not installed in this workspace. Ask an admin to install me.")
    await town.twin.ask("/bitrise apps", "3 apps")


async def test_an_organisation_takes_all_its_workspaces_along(tmp_path: Path) -> None:
    async with open_many(tmp_path) as town:
        east, west = town.add_organisation()
        await town.install(TWIN)
        status, page = await town.install("T0EAST", organisation=True)
        assert (status, "Buildbell is installed in Grid Inc" in page) == (200, True)
        assert "/manage/E0GRID/integrations/profile/A0BUILDBELL/workspaces/add" in page
        for place in (east, west, town.twin):
            await live_in(place)
        before = town.rows_with(TWIN)
        town.slack.uninstall(GRID.id)
        for team in ("T0EAST", "T0WEST", GRID.id):
            await forgotten(town, team)
        assert town.rows_with(TWIN) == before
        status, _ = await town.install("T0EAST", organisation=True)
        assert status == 200
        await east.ask("/bitrise builds", "Which app?")
        west.people.say("anna", "D0ANNA", "help")
        await west.told("What you can type", channel="D0ANNA")
