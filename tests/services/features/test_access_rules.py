"""Who may do what: rules in a file and from an admin's modal, asked for each way in which something can be done."""

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
) -> AsyncIterator[BotHarness]:
    """A town whose operator has set these rules; Anna (admin) and Ben (of the release team) have linked accounts."""
    (folder / "policy.toml").write_text(rules)
    policy = str(folder / "policy.toml")
    async with bot_harness(
        folder,
        now=now,
        service_token_acts=service_token_acts,
        policy_file=policy,
        audit_anchor=audit_anchor,
    ) as town:
        await town.connect("anna", "ben")
        yield town


def running(harness: BotHarness) -> Build:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    return build


async def add_rule(harness: BotHarness, **filled: object) -> None:
    shown = await harness.ask("/bitrise policy", "Who may do what")
    await harness.users.click("anna", shown, "Add a rule…")
    await harness.fill_in_rule(**filled)


async def test_the_operators_rule_holds_in_command_button_and_modal_alike(tmp_path: Path) -> None:
    async with governed(tmp_path, NOBODY_ABORTS) as town:
        build = running(town)
        said = "Nobody may abort builds of Sample Android here; whoever runs Buildbell has set that."
        await town.ask("/bitrise abort android #1 no", said)
        card = await town.ask("/bitrise build android #1", "Sample Android #1 is running")
        await town.users.click("anna", card, "Abort")
        await town.slack.wait_for_modal("anna", "stops at once")
        await town.users.submit("anna", {"reason": "no"})
        opened = town.users.modal("anna")
        assert opened is not None
        assert said in opened.errors["reason"]
        assert build.result is None
        await town.ask("/bitrise trigger android branch:main", "anna started Sample Android #2")


async def test_a_step_of_a_workflow_is_judged_by_the_same_rules(tmp_path: Path) -> None:
    async with governed(tmp_path, NOBODY_ABORTS, service_token_acts="1") as town:
        build = running(town)
        run = town.users.run_step("abort_bitrise_build", {"app": "android", "build": "#1"})
        await town.wait_until(lambda: run.status != "running")
        assert "Nobody may abort builds" in str(run.error)
        assert build.result is None


async def test_a_refusal_names_people_and_groups_who_may(tmp_path: Path) -> None:
    async with governed(tmp_path, RELEASE_TEAM) as town:
        await town.connect("carla")
        running(town)
        said = await town.ask(
            "/bitrise abort android #1", "Only Anna Berg and the group @release-team", person="carla"
        )
        assert "may abort builds of Sample Android here" in town.message_text(said)
        await town.ask("/bitrise abort android #1", "ben aborted", person="ben")
        await town.ask("/bitrise trigger ios branch:main", "anna started Sample iOS #1")


async def test_whoever_is_taken_out_of_the_group_may_no_more(tmp_path: Path) -> None:
    async with governed(tmp_path, RELEASE_TEAM) as town:
        running(town)
        town.slack.workspace.groups["S0RELEASE"].users.clear()
        await town.ask("/bitrise abort android #1", "Only Anna Berg", person="ben")


async def test_where_slack_does_not_say_who_is_in_a_group_nobody_is(tmp_path: Path) -> None:
    async with governed(tmp_path, RELEASE_TEAM) as town:
        build = running(town)
        town.slack.fault("usergroups.users.list", "error", words="internal_error")
        await town.ask("/bitrise abort android #1", "Only Anna Berg", person="ben")
        assert build.result is None


async def test_an_admins_rule_counts_at_once_and_can_be_taken_away(tmp_path: Path) -> None:
    async with governed(tmp_path) as town:
        running(town)
        await add_rule(town, kind="These people may, and nobody else", acts=["Abort builds"], who="Nobody")
        await town.wait_for_message("A new rule: Nobody may abort builds", person=None)
        await town.ask("/bitrise abort android #1", "an admin of this workspace has set that", person="ben")
        shown = await town.ask("/bitrise policy", "Rules of this workspace")
        await town.press(shown, "Remove", "This rule counts no longer")
        await town.ask("/bitrise abort android #1", "ben aborted", person="ben")


async def test_an_admin_can_narrow_what_the_operator_allows_but_not_widen_it(tmp_path: Path) -> None:
    async with governed(tmp_path, NOBODY_ABORTS) as town:
        running(town)
        await add_rule(
            town,
            kind="These people may, and nobody else",
            acts=["Abort builds"],
            who="Everyone with a linked account",
        )
        await town.wait_for_message("A new rule", person=None)
        await town.ask("/bitrise abort android #1", "whoever runs Buildbell has set that")


async def test_only_admins_change_rules_whatever_they_press(tmp_path: Path) -> None:
    async with governed(tmp_path) as town:
        shown = await town.ask(
            "/bitrise policy", "Admins and owners of this workspace can add rules", person="ben"
        )
        assert "Add a rule" not in town.message_text(shown)
        await add_rule(town, acts=["Abort builds"], who="Nobody")
        await town.wait_for_message("A new rule", person=None)
        mine = await town.ask("/bitrise policy", "Rules of this workspace")
        # A button of the admin's own message, pressed by somebody who should not see it.
        mine.only_for = None
        await town.press(mine, "Remove", "Only admins and owners", person="ben")
        await town.users.click("ben", mine, "Add a rule…")
        await town.wait_for_message("Only admins and owners", person="ben")


@pytest.mark.parametrize(
    ("filled", "field", "said"),
    [
        ({"who": "The people and groups below"}, "people", "Pick people or groups"),
        ({"kind": "Needs a second person", "who": "Nobody"}, "who", "nobody may agree"),
        ({"kind": "Needs a second person", "minutes": "soon"}, "minutes", "a number of minutes"),
        (
            {"kind": "Needs a second person", "branches": f"main {CANARIES['GitHub token']}"},
            "branches",
            "looks like a token",
        ),
        (
            {"kind": "Needs a second person", "acts": ["Change subscriptions"]},
            "acts",
            "Subscribing needs no second person",
        ),
    ],
)
async def test_a_mistake_in_a_rule_is_said_at_its_field(
    tmp_path: Path, filled: dict[str, object], field: str, said: str
) -> None:
    async with governed(tmp_path) as town:
        await add_rule(town, **filled)
        opened = town.users.modal("anna")
        assert opened is not None
        assert said in opened.errors[field]


async def test_a_rule_says_what_it_is_about_and_who_and_its_admin_hears_that_it_counts(
    tmp_path: Path,
) -> None:
    async with governed(tmp_path) as town:
        shown = await town.ask("/bitrise policy", "Who may do what", channel="release")
        await town.users.click("anna", shown, "Add a rule…")
        opened = await town.slack.wait_for_modal("anna", "Add a rule")
        assert "Minutes to agree within" not in town.slack.modal_text(opened)
        # Slack itself holds back a form without what must be picked.
        with pytest.raises(InvalidInteraction, match="Who"):
            await town.users.submit("anna", {})
        await town.users.submit("anna", {"who": "Nobody"})
        assert "Choose what the rule is about" in opened.errors["acts"]
        await town.redraw("policy_kind", "Needs a second person")
        assert "Minutes to agree within" in town.slack.modal_text(opened)
        assert opened.entered["who"] == "Nobody"
        await town.redraw("policy_kind", "These people may, and nobody else")
        assert await town.rows("SELECT 1 FROM policies") == []
        await town.users.submit("anna", {"acts": ["Abort builds"], "who": "Nobody"})
        # The bot can't write in this private channel, so it tells the one who did it.
        await town.wait_for_message("A new rule: Nobody may abort builds", channel="D0ANNA")


async def test_a_rule_for_one_channel_leaves_the_others_alone(tmp_path: Path) -> None:
    rules = '[[rule]]\nallow = ["trigger"]\nchannels = ["C0RANDOM"]\nwho = "nobody"\n'
    async with governed(tmp_path, rules) as town:
        await town.ask("/bitrise trigger android branch:main", "Nobody may start builds", channel="random")
        await town.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")


async def test_who_may_subscribe_is_a_rule_like_the_others(tmp_path: Path) -> None:
    rules = '[[rule]]\nallow = ["subscribe"]\nwho = ["U0ANNA"]\n'
    async with governed(tmp_path, rules) as town:
        await town.ask("/bitrise subscribe android", "Only Anna Berg may change subscriptions", person="ben")
        await town.ask("/bitrise subscribe android", "subscribed")
        await town.ask("/bitrise unsubscribe android", "Only Anna Berg may change", person="ben")
        await town.ask("/bitrise use ios", "Only Anna Berg may change subscriptions", person="ben")
        listed = await town.ask("/bitrise subscriptions", "every build's end", person="ben")
        await town.press(listed, "Pause", "Only Anna Berg may change", person="ben")
        assert len(await town.rows("SELECT 1 FROM subscriptions WHERE stopped_reason IS NULL")) == 1


ONLY_IN_RANDOM = """
[[rule]]
allow = ["trigger", "abort"]
channels = ["C0RANDOM"]
who = "everyone"

[[rule]]
allow = ["trigger", "abort"]
who = "nobody"
"""


async def test_from_the_home_a_rule_for_a_channel_opens_nothing_and_it_is_said_where_it_would_work(
    tmp_path: Path,
) -> None:
    async with governed(tmp_path, ONLY_IN_RANDOM) as town:
        build = running(town)
        town.users.open_home("anna")
        await shows(town, "Sample Android #1 is running", "[Abort]")
        await town.users.set_value("anna", "Abort")
        await town.slack.wait_for_modal("anna", "stops at once")
        await town.users.submit("anna", {"reason": "not needed"})
        opened = await town.slack.wait_for_modal("anna", "Nobody may abort builds of Sample Android;")
        assert "try it in a channel" in opened.errors["reason"]
        assert build.result is None
        await town.ask("/bitrise abort android #1 not needed", "anna aborted", channel="random")


async def test_a_step_of_a_workflow_is_in_no_channel_that_a_rule_names(tmp_path: Path) -> None:
    async with governed(tmp_path, ONLY_IN_RANDOM, service_token_acts="1") as town:
        for person in ({}, {"person": "U0BEN"}):
            inputs = {"app": "android", "branch": "main", **person}
            run = await wait_until_over(town, town.users.run_step("start_bitrise_build", inputs))
            assert "Nobody may start builds" in str(run.error)
        assert town.bitrise.state.builds == []


async def test_policy_shows_what_holds_without_an_app_and_with_one(tmp_path: Path) -> None:
    rules = (
        RELEASE_TEAM + '[[rule]]\nallow = ["trigger"]\nwho = ["U0BEN"]\n'
        '[[rule]]\nprotect = ["trigger"]\nbranches = ["main", "release/*"]\nworkflows = ["deploy"]\nwho = ["U0ANNA"]\n'
        'minutes = 30\n[[rule]]\nprotect = ["trigger"]\n'
    )
    async with governed(tmp_path, rules) as town:
        second = (
            "needs a second person (Anna Berg) within 30 minutes, if of branch `main` or `release/*` with workflow"
            " `deploy`; needs a second person (everyone with a linked account) within 60 minutes"
        )
        both = "only who is in each of [Anna Berg and the group @release-team] [Ben Okafor]"
        without = town.message_text(await town.ask("/bitrise policy", "Who may do what"))
        assert f"start builds: {both}; {second}; _depends on the app_" in without
        assert "abort builds: only Anna Berg and the group @release-team; _depends on the app_" in without
        assert "`/bitrise policy APP` says what holds for one." in without
        assert "You may not start builds of every app here: Only Ben Okafor may start builds here" in without
        ios = town.message_text(await town.ask("/bitrise policy ios", "Who may do what in Sample iOS"))
        assert f"start builds: only Ben Okafor; {second}" in ios
        assert "abort builds: everyone with a linked account" in ios
        assert "depends on" not in ios
        mine = town.message_text(
            await town.ask("/bitrise policy ios", "Who may do what in Sample iOS", person="ben")
        )
        assert "You may start builds here, with a second person's agreement." in mine


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("[[rule]", "is no TOML"),
        ('[[rule]]\nwho = "everyone"\n', "rule 1: needs either allow or protect"),
        ('[[rule]]\nallow = ["abort"]\n', "rule 1: who may?"),
        ('[[rule]]\nallow = ["fly"]\nwho = "everyone"\n', "rule 1: permissions"),
        ('[[rule]]\nallow = ["abort"]\nwho = ["anna"]\n', "'anna' is no id"),
        ('[[rule]]\nallow = ["abort"]\nwho = "everyone"\nbranch = ["main"]\n', "allow knows no branch"),
        ('[[rule]]\nprotect = "everything"\nminutes = 0\n', "rule 1: minutes"),
        ("[rules]\nallow = []\n", "there is only [[rule]], not rules"),
    ],
)
async def test_a_policy_file_that_cannot_be_read_stops_the_start_and_says_where(
    tmp_path: Path, rules: str, said: str
) -> None:
    from domain.access_policy import InvalidAccessRule, read_policy

    (tmp_path / "policy.toml").write_text(rules)
    with pytest.raises(InvalidAccessRule) as problem:
        read_policy(tmp_path / "policy.toml")
    assert said in str(problem.value)
