"""What the bot remembers in memory, it remembers of a workspace: nothing is found under an id alone."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from domain.access_policy import InvalidAccessRule
from sandbox.bitrise.members import ANNA_TOKEN, CARLA_TOKEN
from services.home.refresher import HomeEvents
from tests.bot.slack.test_workspace_isolation import wait_for_home
from tests.support.bot_harness import WorkspaceHarness
from tests.support.multi_workspace_harness import OffsetClock, multi_workspace_harness

ONLY_BEN = """
[[rule]]
workspaces = ["T0SANDBOX"]
allow = ["trigger"]
who = ["U0BEN"]
"""


def test_who_has_done_something_on_their_home_is_a_person_of_a_workspace() -> None:
    news = HomeEvents()
    news.note_change_by("T1", "U1")
    assert news.take() == {("T1", "U1")}
    assert news.take() == set()


async def test_a_namesake_who_does_something_does_not_keep_a_home_open(tmp_path: Path) -> None:
    hours = OffsetClock()
    async with multi_workspace_harness(tmp_path, now=hours) as town:
        await town.install_everywhere()
        await town.ask("/bitrise subscribe android", "subscribed this channel")
        for place in (town, town.twin):
            place.users.open_home("anna")
            await wait_for_home(place, "Nothing is running")
        hours.passed += timedelta(minutes=14)
        await settings_changed(town.twin)
        hours.passed += timedelta(minutes=2)
        town.bitrise.start_running(town.bitrise.start_build(town.bitrise.android))
        await wait_for_home(town.twin, "Sample Android #1 is running")
        assert "Nothing is running" in await wait_for_home(town, "MY LAST BUILDS")


async def settings_changed(place: WorkspaceHarness) -> None:
    await place.users.set_value("anna", "Change…")
    await place.slack.wait_for_modal("anna", "Your name at Bitrise")
    await place.users.submit("anna", {"name": "octo"})
    await wait_for_home(place, "`octo`")


async def test_the_names_in_a_list_are_those_that_the_one_who_types_may_read(tmp_path: Path) -> None:
    async with multi_workspace_harness(tmp_path, service_token_acts="0") as town:
        await town.install_everywhere()
        await town.connect("anna", token=ANNA_TOKEN)
        await town.twin.connect("anna", token=CARLA_TOKEN)
        offered = []
        for place in (town, town.twin):
            await place.users.shortcut("anna", "start_build")
            await place.slack.wait_for_modal("anna", "Workflow or pipeline")
            app = (await place.users.options("anna", "pick_app", "andr"))[0]
            await place.redraw("pick_app", app)
            offered.append(str(await place.users.options("anna", "pick_buildable", "")))
        # Who may only test an app may not read its bitrise.yml.
        assert "deploy" in offered[0]
        assert "deploy" not in offered[1]


async def test_an_operators_rule_counts_in_the_workspaces_that_it_names(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(ONLY_BEN)
    async with multi_workspace_harness(tmp_path, policy_file=str(policy)) as town:
        await town.install_everywhere()
        await town.ask("/bitrise trigger android branch:main", "Only Ben Okafor may start builds")
        await town.twin.ask("/bitrise trigger android branch:main", "anna started Sample Android")
        shown = town.message_text(await town.ask("/bitrise policy android", "Who may do what"))
        assert "Rules of whoever runs Buildbell" in shown
        shown = town.twin.message_text(await town.twin.ask("/bitrise policy android", "Who may do what"))
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


async def test_an_operators_rule_that_names_nobody_counts_everywhere(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text('[[rule]]\nallow = ["abort"]\nwho = "nobody"\n')
    async with multi_workspace_harness(tmp_path, policy_file=str(policy)) as town:
        await town.install_everywhere()
        town.bitrise.start_running(town.bitrise.start_build(town.bitrise.android))
        for place in (town, town.twin):
            await place.ask("/bitrise abort android #1", "Nobody may abort builds")
