"""One installation for an organisation: its workspaces are isolated, and each call names its workspace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.bot.slack.test_workspace_isolation import bot_messages, wait_for_home, wait_for_text
from tests.support.bot_harness import WorkspaceHarness
from tests.support.multi_workspace_harness import GRID, MultiWorkspaceHarness, multi_workspace_harness


class OrgInstallation:
    """Two workspaces, East and West, with the bot in both by one installation."""

    def __init__(
        self, harness: MultiWorkspaceHarness, east: WorkspaceHarness, west: WorkspaceHarness
    ) -> None:
        self.harness, self.east, self.west = harness, east, west


@pytest.fixture
async def org_installation(tmp_path: Path) -> AsyncIterator[OrgInstallation]:
    async with multi_workspace_harness(tmp_path) as harness:
        east, west = harness.add_organisation()
        status, page = await harness.install("T0EAST", organisation=True)
        assert status == 200, page
        yield OrgInstallation(harness, east, west)


async def test_the_first_request_of_a_workspace_may_be_an_event_that_names_it_only_in_the_envelope(
    org_installation: OrgInstallation,
) -> None:
    org_installation.west.users.invite("builds")
    org_installation.west.users.say("ben", "builds", "@buildbell help")
    await org_installation.west.wait_for_message("Commands", person=None)
    org_installation.east.users.open_home("anna")
    await wait_for_home(org_installation.east, "[Subscribe…]")
    assert bot_messages(org_installation.east) == []
    assert org_installation.harness.count_rows_with("T0WEST") == {"workspaces": 1}
    assert org_installation.harness.count_rows_with("T0EAST") == {"workspaces": 1}


async def test_a_modal_without_a_workspace_belongs_to_the_one_where_it_was_opened(
    org_installation: OrgInstallation,
) -> None:
    for workspace, other in (
        (org_installation.west, org_installation.east),
        (org_installation.east, org_installation.west),
    ):
        workspace.users.open_home("anna")
        await wait_for_home(workspace, "[Subscribe…]")
        await workspace.users.set_value("anna", "Subscribe…")
        await workspace.slack.wait_for_modal("anna", "Exclude branches")
        app = (await workspace.users.options("anna", "pick_app", "andr"))[0]
        await workspace.users.set_value("anna", "pick_app", app)
        before = bot_messages(other)
        await workspace.users.submit("anna", {"app": app, "channel": "C0RANDOM"})
        await workspace.wait_for_message("anna subscribed to", channel="random")
        await wait_for_home(workspace, "Sample Android: all finished builds", "in #random")
        assert bot_messages(other) == before


async def test_the_workspaces_share_no_data(org_installation: OrgInstallation) -> None:
    await org_installation.east.ask("/bitrise use android", "Sample Android")
    await org_installation.east.ask("/bitrise me name:octo", "`octo`")
    await org_installation.east.ask("/bitrise subscribe android style:card", "subscribed to")
    await org_installation.west.ask("/bitrise builds", "Which app?")
    await org_installation.west.ask("/bitrise me name:octo", "`octo`", person="ben")
    assert "Sample Android" not in org_installation.west.message_text(
        await org_installation.west.ask("/bitrise subscriptions")
    )
    org_installation.harness.bitrise.finish(
        org_installation.harness.bitrise.start_build(org_installation.harness.bitrise.android), "error"
    )
    card = await org_installation.east.wait_for_message("is failing", person=None)
    await org_installation.east.users.click("ben", card, "I'm on it")
    await wait_for_text(org_installation.east, card, "@ben is on it")
    assert not org_installation.west.messages_with("is failing")


async def test_each_call_names_the_workspace(org_installation: OrgInstallation) -> None:
    org_installation.west.users.open_home("anna")
    await wait_for_home(org_installation.west, "[Subscribe…]")  # users.conversations is refused without it
    org_installation.west.users.say("anna", "D0ANNA", "help")
    await org_installation.west.wait_for_message("Commands", channel="D0ANNA")
    calls = [
        *org_installation.harness.calls("users.conversations"),
        *org_installation.harness.calls("chat.postMessage"),
    ]
    assert {call["request"].get("team_id") for call in calls} == {"T0WEST"}
    # Calls with a workspace's own token name none.
    await org_installation.harness.install()
    org_installation.harness.users.say("anna", "D0ANNA", "help")
    await org_installation.harness.wait_for_message("Commands", channel="D0ANNA")
    assert "team_id" not in org_installation.harness.calls("chat.postMessage")[-1]["request"]


async def test_the_organisation_of_a_workspace_is_known_after_a_restart(
    org_installation: OrgInstallation,
) -> None:
    await org_installation.west.ask("/bitrise subscribe android", "subscribed to")
    await org_installation.harness.stop_bot()
    org_installation.harness.bitrise.finish(
        org_installation.harness.bitrise.start_build(org_installation.harness.bitrise.android)
    )
    await org_installation.harness.start_bot()
    await org_installation.west.wait_for_message("Sample Android #1 passed", person=None)


async def test_a_workspaces_own_installation_remains_after_the_organisations_is_removed(
    org_installation: OrgInstallation,
) -> None:
    await org_installation.harness.install("T0WEST")
    await org_installation.west.ask("/bitrise subscribe android", "subscribed to")
    await org_installation.east.ask("/bitrise subscribe android", "subscribed to")
    org_installation.harness.slack.uninstall(GRID.id)
    await org_installation.harness.wait_until(
        lambda: org_installation.harness.count_rows_with("T0EAST") == {}
    )
    assert "subscriptions" in org_installation.harness.count_rows_with("T0WEST")
    org_installation.harness.bitrise.finish(
        org_installation.harness.bitrise.start_build(org_installation.harness.bitrise.android)
    )
    await org_installation.west.wait_for_message("Sample Android #1 passed", person=None)
