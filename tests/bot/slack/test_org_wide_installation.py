"""One installation for a whole organisation: its workspaces stay apart, and each call says for which it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.slack.test_workspace_isolation import home, said_by_bot, says
from tests.support.bot_harness import WorkspaceHarness
from tests.support.multi_workspace_harness import GRID, MultiWorkspaceHarness, multi_workspace_harness


class OrgInstallation:
    """East and West, one bot in both, by one installation."""

    def __init__(self, town: MultiWorkspaceHarness, east: WorkspaceHarness, west: WorkspaceHarness) -> None:
        self.town, self.east, self.west = town, east, west


@pytest.fixture
async def grid(tmp_path: Path) -> AsyncIterator[OrgInstallation]:
    async with multi_workspace_harness(tmp_path) as town:
        east, west = town.add_organisation()
        status, page = await town.install("T0EAST", organisation=True)
        assert status == 200, page
        yield OrgInstallation(town, east, west)


async def test_the_first_word_from_a_workspace_may_be_an_event_that_names_it_only_outside(
    grid: OrgInstallation,
) -> None:
    grid.west.people.invite("builds")
    grid.west.people.say("ben", "builds", "@buildbell help")
    await grid.west.wait_for_message("What you can type", person=None)
    grid.east.people.open_home("anna")
    await home(grid.east, "[Subscribe…]")
    assert said_by_bot(grid.east) == []
    kept = ("audit_chains", "audit_register", "deliveries", "workspaces")
    assert grid.town.count_rows_with("T0WEST") == dict.fromkeys(kept, 1)
    assert grid.town.count_rows_with("T0EAST") == {"workspaces": 1}


async def test_a_modal_that_names_no_workspace_works_for_the_one_that_it_was_opened_in(
    grid: OrgInstallation,
) -> None:
    for place, other in ((grid.west, grid.east), (grid.east, grid.west)):
        place.people.open_home("anna")
        await home(place, "[Subscribe…]")
        await place.people.set_value("anna", "Subscribe…")
        await place.slack.wait_for_modal("anna", "But not branches")
        app = (await place.people.options("anna", "pick_app", "andr"))[0]
        await place.people.set_value("anna", "pick_app", app)
        before = said_by_bot(other)
        await place.people.submit("anna", {"app": app, "channel": "C0RANDOM"})
        await place.wait_for_message("anna subscribed this channel", channel="random")
        await home(place, "every build's end in Sample Android", "in #random")
        assert said_by_bot(other) == before


async def test_its_workspaces_have_nothing_in_common(grid: OrgInstallation) -> None:
    await grid.east.ask("/bitrise use android", "Sample Android")
    await grid.east.ask("/bitrise me name:octo", "`octo`")
    await grid.east.ask("/bitrise subscribe android style:card", "subscribed this channel")
    await grid.west.ask("/bitrise builds", "Which app?")
    await grid.west.ask("/bitrise me name:octo", "`octo`", person="ben")
    assert "Sample Android" not in grid.west.message_text(await grid.west.ask("/bitrise subscriptions"))
    grid.town.bitrise.finish(grid.town.bitrise.start_build(grid.town.bitrise.android), "error")
    card = await grid.east.wait_for_message("is broken", person=None)
    await grid.east.people.click("ben", card, "I'm on it")
    await says(grid.east, card, "@ben is on it")
    assert not grid.west.messages_with("is broken")


async def test_each_call_names_the_workspace(grid: OrgInstallation) -> None:
    grid.west.people.open_home("anna")
    await home(grid.west, "[Subscribe…]")  # users.conversations is refused without it
    grid.west.people.say("anna", "D0ANNA", "help")
    await grid.west.wait_for_message("What you can type", channel="D0ANNA")
    asked = [*grid.town.calls("users.conversations"), *grid.town.calls("chat.postMessage")]
    assert {one["request"].get("team_id") for one in asked} == {"T0WEST"}
    # A workspace's own token names none.
    await grid.town.install()
    grid.town.people.say("anna", "D0ANNA", "help")
    await grid.town.wait_for_message("What you can type", channel="D0ANNA")
    assert "team_id" not in grid.town.calls("chat.postMessage")[-1]["request"]


async def test_after_a_restart_it_is_known_whose_workspace_it_is(grid: OrgInstallation) -> None:
    await grid.west.ask("/bitrise subscribe android", "subscribed this channel")
    await grid.town.stop_bot()
    grid.town.bitrise.finish(grid.town.bitrise.start_build(grid.town.bitrise.android))
    await grid.town.start_bot()
    await grid.west.wait_for_message("Sample Android #1 succeeded", person=None)


async def test_a_workspaces_own_installation_outlives_the_organisations(grid: OrgInstallation) -> None:
    await grid.town.install("T0WEST")
    await grid.west.ask("/bitrise subscribe android", "subscribed this channel")
    await grid.east.ask("/bitrise subscribe android", "subscribed this channel")
    grid.town.slack.uninstall(GRID.id)
    await grid.town.wait_until(lambda: grid.town.count_rows_with("T0EAST") == {})
    assert "subscriptions" in grid.town.count_rows_with("T0WEST")
    grid.town.bitrise.finish(grid.town.bitrise.start_build(grid.town.bitrise.android))
    await grid.west.wait_for_message("Sample Android #1 succeeded", person=None)
