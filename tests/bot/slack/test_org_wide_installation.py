"""One installation for a whole organisation: its workspaces stay apart, and each call says for which it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.slack.test_workspace_isolation import said_by_bot, says, wait_for_home
from tests.support.bot_harness import WorkspaceHarness
from tests.support.multi_workspace_harness import GRID, MultiWorkspaceHarness, multi_workspace_harness


class OrgInstallation:
    """East and West, one bot in both, by one installation."""

    def __init__(
        self, harness: MultiWorkspaceHarness, east: WorkspaceHarness, west: WorkspaceHarness
    ) -> None:
        self.town, self.east, self.west = harness, east, west


@pytest.fixture
async def org_installation(tmp_path: Path) -> AsyncIterator[OrgInstallation]:
    async with multi_workspace_harness(tmp_path) as town:
        east, west = town.add_organisation()
        status, page = await town.install("T0EAST", organisation=True)
        assert status == 200, page
        yield OrgInstallation(town, east, west)


async def test_the_first_word_from_a_workspace_may_be_an_event_that_names_it_only_outside(
    org_installation: OrgInstallation,
) -> None:
    org_installation.west.users.invite("builds")
    org_installation.west.users.say("ben", "builds", "@buildbell help")
    await org_installation.west.wait_for_message("What you can type", person=None)
    org_installation.east.users.open_home("anna")
    await wait_for_home(org_installation.east, "[Subscribe…]")
    assert said_by_bot(org_installation.east) == []
    kept = ("audit_chains", "audit_register", "deliveries", "workspaces")
    assert org_installation.town.count_rows_with("T0WEST") == dict.fromkeys(kept, 1)
    assert org_installation.town.count_rows_with("T0EAST") == {"workspaces": 1}


async def test_a_modal_that_names_no_workspace_works_for_the_one_that_it_was_opened_in(
    org_installation: OrgInstallation,
) -> None:
    for place, other in (
        (org_installation.west, org_installation.east),
        (org_installation.east, org_installation.west),
    ):
        place.users.open_home("anna")
        await wait_for_home(place, "[Subscribe…]")
        await place.users.set_value("anna", "Subscribe…")
        await place.slack.wait_for_modal("anna", "But not branches")
        app = (await place.users.options("anna", "pick_app", "andr"))[0]
        await place.users.set_value("anna", "pick_app", app)
        before = said_by_bot(other)
        await place.users.submit("anna", {"app": app, "channel": "C0RANDOM"})
        await place.wait_for_message("anna subscribed this channel", channel="random")
        await wait_for_home(place, "every build's end in Sample Android", "in #random")
        assert said_by_bot(other) == before


async def test_its_workspaces_have_nothing_in_common(org_installation: OrgInstallation) -> None:
    await org_installation.east.ask("/bitrise use android", "Sample Android")
    await org_installation.east.ask("/bitrise me name:octo", "`octo`")
    await org_installation.east.ask("/bitrise subscribe android style:card", "subscribed this channel")
    await org_installation.west.ask("/bitrise builds", "Which app?")
    await org_installation.west.ask("/bitrise me name:octo", "`octo`", person="ben")
    assert "Sample Android" not in org_installation.west.message_text(
        await org_installation.west.ask("/bitrise subscriptions")
    )
    org_installation.town.bitrise.finish(
        org_installation.town.bitrise.start_build(org_installation.town.bitrise.android), "error"
    )
    card = await org_installation.east.wait_for_message("is broken", person=None)
    await org_installation.east.users.click("ben", card, "I'm on it")
    await says(org_installation.east, card, "@ben is on it")
    assert not org_installation.west.messages_with("is broken")


async def test_each_call_names_the_workspace(org_installation: OrgInstallation) -> None:
    org_installation.west.users.open_home("anna")
    await wait_for_home(org_installation.west, "[Subscribe…]")  # users.conversations is refused without it
    org_installation.west.users.say("anna", "D0ANNA", "help")
    await org_installation.west.wait_for_message("What you can type", channel="D0ANNA")
    asked = [
        *org_installation.town.calls("users.conversations"),
        *org_installation.town.calls("chat.postMessage"),
    ]
    assert {one["request"].get("team_id") for one in asked} == {"T0WEST"}
    # A workspace's own token names none.
    await org_installation.town.install()
    org_installation.town.users.say("anna", "D0ANNA", "help")
    await org_installation.town.wait_for_message("What you can type", channel="D0ANNA")
    assert "team_id" not in org_installation.town.calls("chat.postMessage")[-1]["request"]


async def test_after_a_restart_it_is_known_whose_workspace_it_is(org_installation: OrgInstallation) -> None:
    await org_installation.west.ask("/bitrise subscribe android", "subscribed this channel")
    await org_installation.town.stop_bot()
    org_installation.town.bitrise.finish(
        org_installation.town.bitrise.start_build(org_installation.town.bitrise.android)
    )
    await org_installation.town.start_bot()
    await org_installation.west.wait_for_message("Sample Android #1 succeeded", person=None)


async def test_a_workspaces_own_installation_outlives_the_organisations(
    org_installation: OrgInstallation,
) -> None:
    await org_installation.town.install("T0WEST")
    await org_installation.west.ask("/bitrise subscribe android", "subscribed this channel")
    await org_installation.east.ask("/bitrise subscribe android", "subscribed this channel")
    org_installation.town.slack.uninstall(GRID.id)
    await org_installation.town.wait_until(lambda: org_installation.town.count_rows_with("T0EAST") == {})
    assert "subscriptions" in org_installation.town.count_rows_with("T0WEST")
    org_installation.town.bitrise.finish(
        org_installation.town.bitrise.start_build(org_installation.town.bitrise.android)
    )
    await org_installation.west.wait_for_message("Sample Android #1 succeeded", person=None)
