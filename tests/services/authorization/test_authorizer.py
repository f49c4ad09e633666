"""Access rules of the operator and of two workspaces, each with three users."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sandbox.bitrise.members import Role
from tests.support.bot_harness import WorkspaceHarness
from tests.support.multi_workspace_harness import MultiWorkspaceHarness, multi_workspace_harness

# The command of each action, and the reply if it is allowed.
ACTIONS = {
    "abort": ("abort android #1 because", "aborted Sample Android #1"),
    "trigger": ("trigger android branch:main", "started Sample Android"),
    "subscribe": ("subscribe android status:failed", "subscribed to"),
}


@asynccontextmanager
async def two_workspaces(folder: Path, operators: str = "") -> AsyncIterator[MultiWorkspaceHarness]:
    """Start two workspaces with Anna, Ben and Carla in each, all developers of the same app at Bitrise."""
    (folder / "policy.toml").write_text(operators)
    policy = str(folder / "policy.toml")
    async with multi_workspace_harness(folder, service_token_acts="0", policy_file=policy) as harness:
        await harness.install_everywhere()
        harness.bitrise.set_role("carla-ruiz", harness.bitrise.android, Role.DEVELOPER)
        for workspace in (harness, harness.twin):
            await workspace.connect("anna", "ben", "carla")
        harness.bitrise.start_running(harness.bitrise.start_build(harness.bitrise.android))
        yield harness


async def add_rule(workspace: WorkspaceHarness, **filled: object) -> None:
    shown = await workspace.ask("/bitrise policy", "Who can do what")
    await workspace.users.click("anna", shown, "Add a rule…")
    await workspace.fill_in_rule(**filled)
    await workspace.wait_for_message("New access rule", person=None)


async def is_allowed(workspace: WorkspaceHarness, action: str, person: str) -> bool:
    """Try the action; return whether it was done and not refused by a rule."""
    command, done = ACTIONS[action]
    before = workspace.last("builds", person)
    await workspace.users.command(person, "builds", f"/bitrise {command}")
    reply = workspace.message_text(await workspace.wait_for_message("", person=person, after=before))
    if done in reply or "Already subscribed" in reply:
        return True
    assert "(a rule set by " in reply, reply
    return False


@pytest.mark.parametrize(
    ("who", "allowed"),
    [
        ('"everyone"', {"anna", "ben", "carla"}),
        ('["S0RELEASE"]', {"ben"}),
        ('["U0ANNA", "U0CARLA"]', {"anna", "carla"}),
        ('["U0CARLA", "S0RELEASE"]', {"ben", "carla"}),
        ('"nobody"', set()),
    ],
)
async def test_an_operators_rule_holds_in_its_workspaces(tmp_path: Path, who: str, allowed: set[str]) -> None:
    everyone = {"anna", "ben", "carla"}
    # Ids differ between workspaces, so a rule with ids names its workspace; the twin has no rule then.
    workspace_line = 'workspaces = ["T0SANDBOX"]\n' if who.startswith("[") else ""
    rule = f'[[rule]]\nallow = ["trigger", "subscribe"]\nwho = {who}\n{workspace_line}'
    async with two_workspaces(tmp_path, rule) as harness:
        for action in ("trigger", "subscribe"):
            assert {one for one in everyone if await is_allowed(harness, action, one)} == allowed
            assert {one for one in everyone if await is_allowed(harness.twin, action, one)} == (
                everyone if workspace_line else allowed
            )


async def test_an_admins_rule_holds_only_in_their_workspace(tmp_path: Path) -> None:
    async with two_workspaces(tmp_path) as harness:
        await add_rule(
            harness,
            kind="Allow only these people",
            acts=["Start builds"],
            who="The people and groups below",
            people=["U0CARLA"],
        )
        assert [await is_allowed(harness, "trigger", one) for one in ("anna", "ben", "carla")] == [
            False,
            False,
            True,
        ]
        assert [await is_allowed(harness.twin, "trigger", one) for one in ("anna", "ben", "carla")] == [
            True
        ] * 3
        await add_rule(harness.twin, kind="Allow only these people", who="No one")
        assert not await is_allowed(harness.twin, "subscribe", "anna")
        assert await is_allowed(harness, "subscribe", "ben")


async def test_a_rule_for_an_app_or_channel_does_not_apply_to_others(tmp_path: Path) -> None:
    rules = (
        '[[rule]]\nallow = ["trigger"]\napps = ["sample ios"]\nwho = "nobody"\n'
        '[[rule]]\nallow = ["trigger"]\nchannels = ["C0RANDOM"]\nwho = ["U0ANNA"]\nworkspaces = ["T0SANDBOX"]\n'
    )
    async with two_workspaces(tmp_path, rules) as harness:
        for workspace in (harness, harness.twin):
            await workspace.ask(
                "/bitrise trigger ios branch:main", "No one can start builds in Sample iOS", person="ben"
            )
            await workspace.ask("/bitrise trigger android branch:main", "ben started", person="ben")
            await workspace.ask("/bitrise trigger android branch:main", "anna started", channel="random")
        start = "/bitrise trigger android branch:main"
        await harness.ask(start, "Only Anna Berg can start builds", person="ben", channel="random")
        await harness.twin.ask(start, "ben started", person="ben", channel="random")


async def test_an_approver_must_be_in_the_same_workspace(tmp_path: Path) -> None:
    rule = '[[rule]]\nprotect = ["trigger"]\nbranches = ["main"]\nwho = ["U0ANNA", "U0CARLA"]\nworkspaces = ["T0SANDBOX"]\n'
    async with two_workspaces(tmp_path, rule) as harness:
        before = len(harness.bitrise.state.builds)
        await harness.users.command("ben", "builds", "/bitrise trigger android branch:main")
        request = await harness.wait_for_message("requests approval to", person=None)
        # The same message, pressed by a user in the other workspace.
        copied = harness.twin.slack.workspace.post(
            harness.twin.slack.workspace.find_channel("builds"), request
        )
        await harness.twin.press(copied, "Approve", "This button isn't valid")
        assert len(harness.bitrise.state.builds) == before
        harness.slack.workspace.touch(request)
        await harness.press(request, "Approve", "You can't decide your own request", person="ben")
        await harness.users.click("carla", request, "Approve")
        await harness.wait_for_message("ben started Sample Android", person=None)
        assert len(harness.bitrise.state.builds) == before + 1
        assert harness.twin.messages_with("ben started") == []


async def test_each_workspace_has_its_own_audit_log(tmp_path: Path) -> None:
    async with two_workspaces(tmp_path) as harness:
        await harness.ask("/bitrise abort android #1 wrong branch", "ben aborted", person="ben")
        await add_rule(harness.twin, kind="Allow only these people", who="No one")
        await harness.twin.ask(
            "/bitrise trigger android branch:main", "No one can start builds", person="carla"
        )
        ours = harness.message_text(await harness.ask("/bitrise audit all", "actions in this workspace"))
        theirs = harness.twin.message_text(await harness.twin.ask("/bitrise audit all", "Audit log"))
        assert "wrong branch" in ours
        assert "wrong branch" not in theirs
        assert "wasn't allowed to" in theirs
        assert "wasn't allowed to" not in ours
