"""Access rules from the policy file and from the admins' form, enforced for every way to run an action."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import pytest

from bot.app import utc_now
from sandbox.bitrise.state import Build
from sandbox.slack.input_values import InvalidInteraction
from tests.handlers.test_home import shows
from tests.providers.bitrise.test_workflow_functions import wait_until_over
from tests.support.bot_harness import BotHarness, bot_harness
from tests.support.canary_secrets import CANARIES

NOBODY_ABORTS = """
[[rule]]
allow = ["abort"]
who = "nobody"
"""
RELEASE_TEAM = """
[[rule]]
allow = ["trigger", "abort"]
apps = ["bitrise-samples/sample-android"]
who = ["S0RELEASE", "U0ANNA"]
"""


@asynccontextmanager
async def governed(
    folder: Path,
    rules: str = "",
    *,
    service_token_acts: str = "0",  # noqa: S107 - a switch
    now: Callable[[], datetime] = utc_now,
    audit_anchor: str = "",
    database_url: str = "",
) -> AsyncIterator[BotHarness]:
    """Start a bot with the operator's rules; Anna (admin) and Ben (of the release team) have linked accounts."""
    (folder / "policy.toml").write_text(rules)
    policy = str(folder / "policy.toml")
    async with bot_harness(
        folder,
        now=now,
        service_token_acts=service_token_acts,
        policy_file=policy,
        audit_anchor=audit_anchor,
        database_url=database_url,
    ) as harness:
        await harness.connect("anna", "ben")
        yield harness


def start_running_build(harness: BotHarness) -> Build:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    return build


async def add_rule(harness: BotHarness, **filled: object) -> None:
    shown = await harness.ask("/bitrise policy", "Who can do what")
    await harness.users.click("anna", shown, "Add a rule…")
    await harness.fill_in_rule(**filled)


async def test_an_operators_rule_holds_for_command_button_and_modal(tmp_path: Path) -> None:
    async with governed(tmp_path, NOBODY_ABORTS) as harness:
        build = start_running_build(harness)
        said = "No one can abort builds in Sample Android here (a rule set by whoever runs Buildbell)."
        await harness.ask("/bitrise abort android #1 no", said)
        card = await harness.ask("/bitrise build android #1", "Sample Android #1 is running")
        await harness.users.click("anna", card, "Abort…")
        await harness.slack.wait_for_modal("anna", "at once and posts your name")
        await harness.users.submit("anna", {"reason": "no"})
        opened = harness.users.modal("anna")
        assert opened is not None
        assert said in opened.errors["reason"]
        assert build.result is None
        await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #2")


async def test_a_workflow_step_is_authorized_by_the_same_rules(tmp_path: Path) -> None:
    async with governed(tmp_path, NOBODY_ABORTS, service_token_acts="1") as harness:
        build = start_running_build(harness)
        run = harness.users.run_step("abort_bitrise_build", {"app": "android", "build": "#1"})
        await harness.wait_until(lambda: run.status != "running")
        assert "No one can abort builds" in str(run.error)
        assert build.result is None


async def test_a_refusal_names_the_people_and_groups_that_may(tmp_path: Path) -> None:
    async with governed(tmp_path, RELEASE_TEAM) as harness:
        await harness.connect("carla")
        start_running_build(harness)
        said = await harness.ask(
            "/bitrise abort android #1", "Only Anna Berg and the group @release-team", person="carla"
        )
        assert "can abort builds in Sample Android here" in harness.message_text(said)
        await harness.ask("/bitrise abort android #1", "ben aborted", person="ben")
        await harness.ask("/bitrise trigger ios branch:main", "anna started Sample iOS #1")


async def test_a_user_removed_from_the_group_loses_its_permission(tmp_path: Path) -> None:
    async with governed(tmp_path, RELEASE_TEAM) as harness:
        start_running_build(harness)
        harness.slack.workspace.groups["S0RELEASE"].users.clear()
        await harness.ask("/bitrise abort android #1", "Only Anna Berg", person="ben")


async def test_a_group_that_slack_does_not_list_has_no_members(tmp_path: Path) -> None:
    async with governed(tmp_path, RELEASE_TEAM) as harness:
        build = start_running_build(harness)
        harness.slack.fault("usergroups.users.list", "error", words="internal_error")
        await harness.ask("/bitrise abort android #1", "Only Anna Berg", person="ben")
        assert build.result is None


async def test_an_admins_rule_counts_at_once_and_can_be_removed(tmp_path: Path) -> None:
    async with governed(tmp_path) as harness:
        start_running_build(harness)
        await add_rule(harness, kind="Allow only these people", acts=["Abort builds"], who="No one")
        await harness.wait_for_message("New access rule: No one can abort builds", person=None)
        await harness.ask(
            "/bitrise abort android #1", "a rule set by an admin of this workspace", person="ben"
        )
        shown = await harness.ask("/bitrise policy", "Rules of this workspace")
        await harness.press(shown, "Delete", "Access rule deleted")
        await harness.ask("/bitrise abort android #1", "ben aborted", person="ben")


async def test_an_admin_can_restrict_what_the_operator_allows_but_not_extend_it(tmp_path: Path) -> None:
    async with governed(tmp_path, NOBODY_ABORTS) as harness:
        start_running_build(harness)
        await add_rule(
            harness,
            kind="Allow only these people",
            acts=["Abort builds"],
            who="Anyone with a connected account",
        )
        await harness.wait_for_message("New access rule", person=None)
        await harness.ask("/bitrise abort android #1", "a rule set by whoever runs Buildbell")


async def test_only_admins_can_change_rules_by_any_button(tmp_path: Path) -> None:
    async with governed(tmp_path) as harness:
        shown = await harness.ask(
            "/bitrise policy", "Admins and owners of this workspace can add rules", person="ben"
        )
        assert "Add a rule" not in harness.message_text(shown)
        await add_rule(harness, acts=["Abort builds"], who="No one")
        await harness.wait_for_message("New access rule", person=None)
        own = await harness.ask("/bitrise policy", "Rules of this workspace")
        # A button of the admin's own message, pressed by a user who should not see it.
        own.only_for = None
        await harness.press(own, "Delete", "Only admins and owners", person="ben")
        await harness.users.click("ben", own, "Add a rule…")
        await harness.wait_for_message("Only admins and owners", person="ben")


@pytest.mark.parametrize(
    ("filled", "field", "said"),
    [
        ({"who": "The people and groups below"}, "people", "Select people or groups"),
        ({"kind": "Require approval", "who": "No one"}, "who", "No one could approve"),
        ({"kind": "Require approval", "minutes": "soon"}, "minutes", "a number of minutes"),
        (
            {"kind": "Require approval", "branches": f"main {CANARIES['GitHub token']}"},
            "branches",
            "looks like a token",
        ),
        (
            {"kind": "Require approval", "acts": ["Change subscriptions"]},
            "acts",
            "Subscribing can't require approval",
        ),
    ],
)
async def test_an_error_in_a_rule_is_shown_at_its_field(
    tmp_path: Path, filled: dict[str, object], field: str, said: str
) -> None:
    async with governed(tmp_path) as harness:
        await add_rule(harness, **filled)
        opened = harness.users.modal("anna")
        assert opened is not None
        assert said in opened.errors[field]


async def test_the_rule_form_requires_actions_and_people_and_confirms_the_rule_to_the_admin(
    tmp_path: Path,
) -> None:
    async with governed(tmp_path) as harness:
        shown = await harness.ask("/bitrise policy", "Who can do what", channel="release")
        await harness.users.click("anna", shown, "Add a rule…")
        opened = await harness.slack.wait_for_modal("anna", "Add a rule")
        assert "Request expires after" not in harness.slack.modal_text(opened)
        # Slack itself rejects a form without a required selection.
        with pytest.raises(InvalidInteraction, match="Who"):
            await harness.users.submit("anna", {})
        await harness.users.submit("anna", {"who": "No one"})
        assert "Select actions" in opened.errors["acts"]
        await harness.redraw("policy_kind", "Require approval")
        assert "Request expires after" in harness.slack.modal_text(opened)
        assert opened.entered["who"] == "No one"
        await harness.redraw("policy_kind", "Allow only these people")
        assert await harness.rows("SELECT 1 FROM policies") == []
        await harness.users.submit("anna", {"acts": ["Abort builds"], "who": "No one"})
        # The bot can't post in this private channel, so it notifies the admin who added the rule.
        await harness.wait_for_message("New access rule: No one can abort builds", channel="D0ANNA")


async def test_a_rule_for_one_channel_does_not_apply_in_others(tmp_path: Path) -> None:
    rules = '[[rule]]\nallow = ["trigger"]\nchannels = ["C0RANDOM"]\nwho = "nobody"\n'
    async with governed(tmp_path, rules) as harness:
        await harness.ask("/bitrise trigger android branch:main", "No one can start builds", channel="random")
        await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")


async def test_rules_can_restrict_subscribing(tmp_path: Path) -> None:
    rules = '[[rule]]\nallow = ["subscribe"]\nwho = ["U0ANNA"]\n'
    async with governed(tmp_path, rules) as harness:
        await harness.ask(
            "/bitrise subscribe android", "Only Anna Berg can change subscriptions", person="ben"
        )
        await harness.ask("/bitrise subscribe android", "subscribed")
        await harness.ask("/bitrise unsubscribe android", "Only Anna Berg can change", person="ben")
        await harness.ask("/bitrise use ios", "Only Anna Berg can change subscriptions", person="ben")
        listed = await harness.ask("/bitrise subscriptions", "all finished builds", person="ben")
        await harness.press(listed, "Pause", "Only Anna Berg can change", person="ben")
        assert len(await harness.rows("SELECT 1 FROM subscriptions WHERE stopped_reason IS NULL")) == 1


ONLY_IN_RANDOM = """
[[rule]]
allow = ["trigger", "abort"]
channels = ["C0RANDOM"]
who = "everyone"

[[rule]]
allow = ["trigger", "abort"]
who = "nobody"
"""


async def test_a_channel_rule_allows_nothing_from_home_and_the_refusal_says_where_to_try(
    tmp_path: Path,
) -> None:
    async with governed(tmp_path, ONLY_IN_RANDOM) as harness:
        build = start_running_build(harness)
        harness.users.open_home("anna")
        await shows(harness, "Sample Android #1 is running", "[Abort…]")
        await harness.users.set_value("anna", "Abort…")
        await harness.slack.wait_for_modal("anna", "at once and posts your name")
        await harness.users.submit("anna", {"reason": "not needed"})
        opened = await harness.slack.wait_for_modal("anna", "No one can abort builds in Sample Android (")
        assert "Try it in a channel" in opened.errors["reason"]
        assert build.result is None
        await harness.ask("/bitrise abort android #1 not needed", "anna aborted", channel="random")


async def test_a_workflow_step_is_in_no_channel_of_a_rule(tmp_path: Path) -> None:
    async with governed(tmp_path, ONLY_IN_RANDOM, service_token_acts="1") as harness:
        for person in ({}, {"person": "U0BEN"}):
            inputs = {"app": "android", "branch": "main", **person}
            run = await wait_until_over(harness, harness.users.run_step("start_bitrise_build", inputs))
            assert "No one can start builds" in str(run.error)
        assert harness.bitrise.state.builds == []


async def test_policy_shows_the_rules_with_and_without_an_app(tmp_path: Path) -> None:
    rules = (
        RELEASE_TEAM + '[[rule]]\nallow = ["trigger"]\nwho = ["U0BEN"]\n'
        '[[rule]]\nprotect = ["trigger"]\nbranches = ["main", "release/*"]\nworkflows = ["deploy"]\nwho = ["U0ANNA"]\n'
        'minutes = 30\n[[rule]]\nprotect = ["trigger"]\n'
    )
    async with governed(tmp_path, rules) as harness:
        approval = (
            "requires approval by Anna Berg within 30 minutes, if on branch `main` or `release/*` with workflow"
            " `deploy`; requires approval by anyone with a connected account within 60 minutes"
        )
        who = "only people who are in each of [Anna Berg and the group @release-team] [Ben Okafor]"
        text = harness.message_text(await harness.ask("/bitrise policy", "Who can do what"))
        assert f"start builds: {who}; {approval}; _depends on the app_" in text
        assert "abort builds: only Anna Berg and the group @release-team; _depends on the app_" in text
        assert "`/bitrise policy APP` shows one app." in text
        assert "You can't start builds in every app here. Only Ben Okafor can start builds here" in text
        ios = harness.message_text(await harness.ask("/bitrise policy ios", "Who can do what in Sample iOS"))
        assert f"start builds: only Ben Okafor; {approval}" in ios
        assert "abort builds: anyone with a connected account" in ios
        assert "depends on" not in ios
        own = harness.message_text(
            await harness.ask("/bitrise policy ios", "Who can do what in Sample iOS", person="ben")
        )
        assert "You can start builds here, with approval." in own


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("[[rule]", "isn't valid TOML"),
        ('[[rule]]\nwho = "everyone"\n', "rule 1: needs either allow or protect"),
        ('[[rule]]\nallow = ["abort"]\n', "rule 1: `who` is missing"),
        ('[[rule]]\nallow = ["fly"]\nwho = "everyone"\n', "rule 1: permissions"),
        ('[[rule]]\nallow = ["abort"]\nwho = ["anna"]\n', "'anna' isn't the ID"),
        (
            '[[rule]]\nallow = ["abort"]\nwho = "everyone"\nbranch = ["main"]\n',
            "a rule with allow can't have branch",
        ),
        ('[[rule]]\nprotect = "everything"\nminutes = 0\n', "rule 1: minutes"),
        ("[rules]\nallow = []\n", "unknown key rules; use only [[rule]]"),
    ],
)
async def test_an_invalid_policy_file_is_refused_with_the_place_of_the_error(
    tmp_path: Path, rules: str, said: str
) -> None:
    from domain.access_policy import InvalidAccessRule, read_policy

    (tmp_path / "policy.toml").write_text(rules)
    with pytest.raises(InvalidAccessRule) as problem:
        read_policy(tmp_path / "policy.toml")
    assert said in str(problem.value)
