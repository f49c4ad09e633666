"""Each policy acted out: two workspaces with rules of their own under the operator's, three people in each."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sandbox.bitrise.members import Role
from tests.support.bot_harness import WorkspaceHarness
from tests.support.multi_workspace_harness import MultiWorkspaceHarness, multi_workspace_harness

# What is tried, and what is said where it is done.
ACTS = {
    "abort": ("abort android #1 because", "aborted Sample Android #1"),
    "trigger": ("trigger android branch:main", "started Sample Android"),
    "subscribe": ("subscribe android status:failed", "subscribed this channel"),
}


@asynccontextmanager
async def two_workspaces(folder: Path, operators: str = "") -> AsyncIterator[MultiWorkspaceHarness]:
    """Anna, Ben and Carla, in each of two workspaces, all developers of the same app at Bitrise."""
    (folder / "policy.toml").write_text(operators)
    policy = str(folder / "policy.toml")
    async with multi_workspace_harness(folder, service_token_acts="0", policy_file=policy) as town:
        await town.install_everywhere()
        town.bitrise.set_role("carla-ruiz", town.bitrise.android, Role.DEVELOPER)
        for place in (town, town.twin):
            await place.connect("anna", "ben", "carla")
        town.bitrise.start_running(town.bitrise.start_build(town.bitrise.android))
        yield town


async def add_rule(place: WorkspaceHarness, **filled: object) -> None:
    shown = await place.ask("/bitrise policy", "Who may do what")
    await place.users.click("anna", shown, "Add a rule…")
    await place.fill_in_rule(**filled)
    await place.wait_for_message("A new rule", person=None)


async def is_allowed(place: WorkspaceHarness, act: str, person: str) -> bool:
    """Whether the person may: what they try is done, or refused by a rule."""
    typed, done = ACTS[act]
    before = place.last("builds", person)
    await place.users.command(person, "builds", f"/bitrise {typed}")
    said = place.message_text(await place.wait_for_message("", person=person, after=before))
    if done in said or "already has this subscription" in said:
        return True
    assert "may" in said, said
    return False


@pytest.mark.parametrize(
    ("who", "those"),
    [
        ('"everyone"', {"anna", "ben", "carla"}),
        ('["S0RELEASE"]', {"ben"}),
        ('["U0ANNA", "U0CARLA"]', {"anna", "carla"}),
        ('["U0CARLA", "S0RELEASE"]', {"ben", "carla"}),
        ('"nobody"', set()),
    ],
)
async def test_the_operators_rule_holds_where_it_says(tmp_path: Path, who: str, those: set[str]) -> None:
    everybody = {"anna", "ben", "carla"}
    # Ids are others in each workspace, so a rule that names some says whose they are; the twin has no rule then.
    named = 'workspaces = ["T0SANDBOX"]\n' if who.startswith("[") else ""
    rule = f'[[rule]]\nallow = ["trigger", "subscribe"]\nwho = {who}\n{named}'
    async with two_workspaces(tmp_path, rule) as town:
        for act in ("trigger", "subscribe"):
            assert {one for one in everybody if await is_allowed(town, act, one)} == those
            assert {one for one in everybody if await is_allowed(town.twin, act, one)} == (
                everybody if named else those
            )


async def test_what_an_admin_sets_holds_in_their_workspace_alone(tmp_path: Path) -> None:
    async with two_workspaces(tmp_path) as town:
        await add_rule(
            town,
            kind="These people may, and nobody else",
            acts=["Start builds"],
            who="The people and groups below",
            people=["U0CARLA"],
        )
        assert [await is_allowed(town, "trigger", one) for one in ("anna", "ben", "carla")] == [
            False,
            False,
            True,
        ]
        assert [await is_allowed(town.twin, "trigger", one) for one in ("anna", "ben", "carla")] == [True] * 3
        await add_rule(town.twin, kind="These people may, and nobody else", who="Nobody")
        assert not await is_allowed(town.twin, "subscribe", "anna")
        assert await is_allowed(town, "subscribe", "ben")


async def test_a_rule_for_an_app_or_a_channel_is_about_no_other(tmp_path: Path) -> None:
    rules = (
        '[[rule]]\nallow = ["trigger"]\napps = ["sample ios"]\nwho = "nobody"\n'
        '[[rule]]\nallow = ["trigger"]\nchannels = ["C0RANDOM"]\nwho = ["U0ANNA"]\nworkspaces = ["T0SANDBOX"]\n'
    )
    async with two_workspaces(tmp_path, rules) as town:
        for place in (town, town.twin):
            await place.ask(
                "/bitrise trigger ios branch:main", "Nobody may start builds of Sample iOS", person="ben"
            )
            await place.ask("/bitrise trigger android branch:main", "ben started", person="ben")
            await place.ask("/bitrise trigger android branch:main", "anna started", channel="random")
        start = "/bitrise trigger android branch:main"
        await town.ask(start, "Only Anna Berg may start builds", person="ben", channel="random")
        await town.twin.ask(start, "ben started", person="ben", channel="random")


async def test_a_second_person_is_one_of_the_same_workspace(tmp_path: Path) -> None:
    rule = '[[rule]]\nprotect = ["trigger"]\nbranches = ["main"]\nwho = ["U0ANNA", "U0CARLA"]\nworkspaces = ["T0SANDBOX"]\n'
    async with two_workspaces(tmp_path, rule) as town:
        before = len(town.bitrise.state.builds)
        await town.users.command("ben", "builds", "/bitrise trigger android branch:main")
        asked = await town.wait_for_message("Somebody else must agree", person=None)
        # The same message, as somebody in the other workspace would press it.
        copied = town.twin.slack.workspace.post(town.twin.slack.workspace.find_channel("builds"), asked)
        await town.twin.press(copied, "Agree", "not one of mine")
        assert len(town.bitrise.state.builds) == before
        town.slack.workspace.touch(asked)
        await town.press(asked, "Agree", "a second person is the point of it", person="ben")
        await town.users.click("carla", asked, "Agree")
        await town.wait_for_message("ben started Sample Android", person=None)
        assert len(town.bitrise.state.builds) == before + 1
        assert town.twin.messages_with("ben started") == []


async def test_each_workspaces_audit_log_tells_its_own_story(tmp_path: Path) -> None:
    async with two_workspaces(tmp_path) as town:
        await town.ask("/bitrise abort android #1 wrong branch", "ben aborted", person="ben")
        await add_rule(town.twin, kind="These people may, and nobody else", who="Nobody")
        await town.twin.ask("/bitrise trigger android branch:main", "Nobody may start builds", person="carla")
        ours = town.message_text(
            await town.ask("/bitrise audit all", "What was done and refused in this workspace")
        )
        theirs = town.twin.message_text(
            await town.twin.ask("/bitrise audit all", "What was done and refused")
        )
        assert "wrong branch" in ours
        assert "wrong branch" not in theirs
        assert "refused" in theirs
        assert "refused `" not in ours
