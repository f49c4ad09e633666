"""In-memory caches and rules are separate for each workspace: an id alone is never a key."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from domain.access_policy import InvalidAccessRule
from sandbox.bitrise.members import ANNA_TOKEN, CARLA_TOKEN
from tests.bot.slack.test_workspace_isolation import wait_for_home
from tests.support.bot_harness import WorkspaceHarness
from tests.support.multi_workspace_harness import OffsetClock, multi_workspace_harness

ONLY_BEN = """
[[rule]]
workspaces = ["T0SANDBOX"]
allow = ["trigger"]
who = ["U0BEN"]
"""


async def test_a_user_with_the_same_id_elsewhere_does_not_keep_a_home_open(tmp_path: Path) -> None:
    clock = OffsetClock()
    async with multi_workspace_harness(tmp_path, now=clock) as harness:
        await harness.install_everywhere()
        await harness.ask("/bitrise subscribe android", "subscribed to")
        for workspace in (harness, harness.twin):
            workspace.users.open_home("anna")
            await wait_for_home(workspace, "Nothing is running")
        clock.passed += timedelta(minutes=14)
        await change_settings(harness.twin)
        clock.passed += timedelta(minutes=2)
        harness.bitrise.start_running(harness.bitrise.start_build(harness.bitrise.android))
        await wait_for_home(harness.twin, "Sample Android #1 is running")
        assert "Nothing is running" in await wait_for_home(harness, "YOUR LATEST BUILDS")


async def change_settings(workspace: WorkspaceHarness) -> None:
    await workspace.users.set_value("anna", "Change…")
    await workspace.slack.wait_for_modal("anna", "Your name at Bitrise")
    await workspace.users.submit("anna", {"name": "octo"})
    await wait_for_home(workspace, "`octo`")


async def test_options_are_limited_to_the_users_own_access(tmp_path: Path) -> None:
    async with multi_workspace_harness(tmp_path, service_token_acts="0") as harness:
        await harness.install_everywhere()
        await harness.connect("anna", token=ANNA_TOKEN)
        await harness.twin.connect("anna", token=CARLA_TOKEN)
        offered = []
        for workspace in (harness, harness.twin):
            await workspace.users.shortcut("anna", "start_build")
            await workspace.slack.wait_for_modal("anna", "Workflow or pipeline")
            app = (await workspace.users.options("anna", "pick_app", "andr"))[0]
            await workspace.redraw("pick_app", app)
            offered.append(str(await workspace.users.options("anna", "pick_buildable", "")))
        # A tester of an app may not read its bitrise.yml.
        assert "deploy" in offered[0]
        assert "deploy" not in offered[1]


async def test_an_operators_rule_applies_in_the_workspaces_that_it_names(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(ONLY_BEN)
    async with multi_workspace_harness(tmp_path, policy_file=str(policy)) as harness:
        await harness.install_everywhere()
        await harness.ask("/bitrise trigger android branch:main", "Only Ben Okafor can start builds")
        await harness.twin.ask("/bitrise trigger android branch:main", "anna started Sample Android")
        shown = harness.message_text(await harness.ask("/bitrise policy android", "Who can do what"))
        assert "Rules of whoever runs Buildbell" in shown
        shown = harness.twin.message_text(
            await harness.twin.ask("/bitrise policy android", "Who can do what")
        )
        assert "Rules of whoever runs Buildbell" not in shown


@pytest.mark.parametrize(
    "named", ['who = ["U0BEN"]', 'who = ["S0RELEASE"]', 'channels = ["C0BUILDS"]\nwho = "nobody"']
)
async def test_a_rule_that_names_ids_of_no_workspace_stops_the_start(tmp_path: Path, named: str) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(f'[[rule]]\nallow = "everything"\n{named}\n')
    with pytest.raises(InvalidAccessRule, match="workspaces"):
        async with multi_workspace_harness(tmp_path, policy_file=str(policy)):
            pass


async def test_an_operators_rule_without_ids_applies_everywhere(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[rule]]\nallow = ["abort"]\nwho = "nobody"\n')
    async with multi_workspace_harness(tmp_path, policy_file=str(policy)) as harness:
        await harness.install_everywhere()
        harness.bitrise.start_running(harness.bitrise.start_build(harness.bitrise.android))
        for workspace in (harness, harness.twin):
            await workspace.ask("/bitrise abort android #1", "No one can abort builds")
