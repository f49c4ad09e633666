"""What is protected needs a second person: asked in the channel, for a time, never oneself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.app import utc_now
from bot.vault import Vault
from sandbox.slack import Post
from tests.handlers.test_policy import add_rule, governed
from tests.town import SECRET_KEY, Town

PROTECTED = """
[[rule]]
protect = ["trigger", "abort"]
branches = ["main", "release/*"]
who = ["U0ANNA", "U0BEN"]
minutes = 20
"""
START = "/bitrise trigger android branch:main"
WANTS = "ben wants to start Sample Android (branch main)"


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    async with governed(tmp_path, PROTECTED) as opened:
        yield opened


async def propose(town: Town, words: str = START) -> Post:
    before = town.last("builds", None)
    await town.people.command("ben", "builds", words)
    return await town.told("Somebody else must agree", person=None, after=before)


async def test_it_is_asked_in_the_channel_agreed_to_and_done_as_the_one_who_asked(town: Town) -> None:
    asked = await propose(town)
    said = town.words(asked)
    assert WANTS in said
    assert "Who may agree: Anna Berg and Ben Okafor" in said
    assert town.bitrise.farm.builds == []
    await town.people.click("anna", asked, "Agree")
    await town.told("ben started Sample Android #1", person=None)
    await town.until(lambda: "anna agreed" in town.words(asked))
    [build] = town.bitrise.farm.builds
    assert build.triggered_by == "manual-ben-okafor"


async def test_where_several_rules_protect_it_the_shortest_time_counts(tmp_path: Path) -> None:
    shorter = PROTECTED.replace("minutes = 20", "minutes = 5")
    async with governed(tmp_path, shorter + PROTECTED.replace("minutes = 20", "minutes = 90")) as town:
        await propose(town)
        [(asked_at, expires_at)] = await town.rows("SELECT asked_at, expires_at FROM proposals")
        lasts = datetime.fromisoformat(str(expires_at)) - datetime.fromisoformat(str(asked_at))
        assert lasts == timedelta(minutes=5)


async def test_nobody_agrees_with_themselves(town: Town) -> None:
    asked = await propose(town)
    await town.press(asked, "Agree", "a second person is the point of it", person="ben")
    assert town.bitrise.farm.builds == []


async def test_two_accounts_in_slack_of_one_person_at_bitrise_are_one_person(town: Town) -> None:
    from sandbox.bitrise import BEN_TOKEN

    await town.people.command("anna", "builds", "/bitrise connect")
    await town.slack.wait_for_modal("anna", "Personal access token")
    await town.people.submit("anna", {"token": BEN_TOKEN})
    await town.slack.wait_for_modal("anna", "You are ben-okafor")
    await town.people.close_modal("anna")
    asked = await propose(town)
    await town.press(asked, "Agree", "You are the same person at Bitrise")
    assert town.bitrise.farm.builds == []


async def test_only_those_who_are_named_may_agree(town: Town) -> None:
    await town.connect("carla")
    asked = await propose(town)
    await town.press(asked, "Agree", "Only Anna Berg and Ben Okafor may agree", person="carla")
    await town.press(asked, "Decline", "Only Anna Berg and Ben Okafor may agree", person="carla")
    assert town.bitrise.farm.builds == []


async def test_a_decline_ends_it(town: Town) -> None:
    asked = await propose(town)
    await town.people.click("anna", asked, "Decline")
    await town.until(lambda: "anna declined" in town.words(asked))
    assert "[Agree]" not in town.words(asked)
    assert town.bitrise.farm.builds == []


async def test_whoever_agrees_is_told_what_the_asker_lacks_and_offered_nothing_for_themselves(
    town: Town,
) -> None:
    asked = await propose(town)
    await town.disconnect("ben")
    told = await town.press(asked, "Agree", "has no Bitrise account linked that works")
    said = await town.told("but it was not done", person=None)
    for post in (told, said):
        assert "connect" not in town.words(post)
        assert "Link my account" not in town.words(post)
    assert "has no Bitrise account linked" in town.words(said)
    assert town.bitrise.farm.builds == []


async def test_it_is_done_once_however_often_it_is_agreed_to(town: Town) -> None:
    asked = await propose(town)
    blocks = json.loads(json.dumps(asked.blocks))
    await town.people.click("anna", asked, "Agree")
    await town.told("ben started Sample Android #1", person=None)
    asked.blocks = blocks  # as somebody still sees it who has not been told of the change
    await town.press(asked, "Agree", "This was decided already")
    assert len(town.bitrise.farm.builds) == 1


async def test_what_is_not_protected_needs_nobody(town: Town) -> None:
    await town.ask("/bitrise trigger android branch:develop", "ben started Sample Android #1", person="ben")


async def test_what_does_not_say_its_branch_counts_as_protected(town: Town) -> None:
    await propose(town, "/bitrise trigger android commit:abc123 workflow:deploy")
    assert town.bitrise.farm.builds == []


async def test_aborting_a_build_of_a_protected_branch_needs_a_second_person_too(town: Town) -> None:
    build = town.bitrise.start_build(town.bitrise.android, params={"branch": "release/2.1"})
    asked = await propose(town, "/bitrise abort android #1 it is broken")
    assert "ben wants to abort Sample Android #1" in town.words(asked)
    assert "it is broken" in town.words(asked)
    # Those who may agree are notified, and nobody else.
    assert "<@U0ANNA>" in asked.text
    assert "please decide" in town.words(asked)
    assert build.result is None
    await town.people.click("anna", asked, "Decline")
    await town.told(
        "declined your request in #builds to abort Sample Android #1", person="ben", channel="D0BEN"
    )
    await town.until(lambda: "reason: it is broken" in town.words(asked))
    asked = await propose(town, "/bitrise abort android #1 it is broken")
    await town.people.click("anna", asked, "Agree")
    await town.told("ben aborted Sample Android #1: it is broken", person=None)
    assert build.abort_reason is not None
    assert "ben-okafor" in build.abort_reason


async def test_a_button_that_was_made_up_or_comes_from_another_proposal_agrees_to_nothing(town: Town) -> None:
    asked = await propose(town)
    other = await propose(town)
    button = _button(asked)
    genuine, others = json.loads(button["value"]), json.loads(_button(other)["value"])
    for forged in (
        {"id": genuine["id"], "seal": others["seal"]},
        {"id": genuine["id"], "seal": "0" * 32},
        {"id": "0" * 32, "seal": genuine["seal"]},
    ):
        button["value"] = json.dumps(forged)
        await town.press(asked, "Agree", "not one of mine")
    button["value"] = json.dumps({"id": genuine["id"]})
    await town.press(asked, "Agree", "another version of me")
    assert town.bitrise.farm.builds == []


async def test_whoever_loses_the_right_meanwhile_does_not_get_it_done(town: Town) -> None:
    from sandbox.bitrise import BEN_TOKEN

    asked = await propose(town)
    town.bitrise.revoke(BEN_TOKEN)
    await town.people.click("anna", asked, "Agree")
    await town.until(lambda: "but it was not done" in town.words(asked))
    assert town.bitrise.farm.builds == []


async def test_a_rule_that_is_made_meanwhile_counts(town: Town) -> None:
    asked = await propose(town)
    only_anna = {"who": "The people and groups below", "people": ["U0ANNA"]}
    await add_rule(town, kind="These people may, and nobody else", acts=["Start builds"], **only_anna)
    await town.told("A new rule: Only", person=None)
    await town.people.click("anna", asked, "Agree")
    await town.until(lambda: "but it was not done" in town.words(asked))
    assert "Only Anna Berg may start builds" in town.words(asked)
    assert town.bitrise.farm.builds == []


class Later:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self.by = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.by


async def test_too_late_is_too_late_even_before_the_message_says_so(tmp_path: Path) -> None:
    now = Later()
    async with governed(tmp_path, PROTECTED, now=now) as town:
        asked = await propose(town)
        now.by = timedelta(minutes=21)
        await town.press(asked, "Agree", "Its time has run out")
        assert town.bitrise.farm.builds == []


async def test_from_home_it_is_asked_in_a_channel_that_follows_the_app(town: Town) -> None:
    build = town.bitrise.start_build(town.bitrise.android)
    town.bitrise.run(build)
    await town.ask("/bitrise subscribe android", "subscribed")
    town.people.open_home("ben")
    await town.until(lambda: "Abort" in str(town.slack.workspace.homes.get("U0BEN")))
    await town.people.use("ben", "Abort")
    await town.slack.wait_for_modal("ben", "stops at once")
    await town.people.submit("ben", {"reason": "stop"})
    await town.told("ben wants to abort Sample Android #1", person=None)
    assert build.result is None


async def test_a_shorter_time_that_is_set_meanwhile_counts(tmp_path: Path) -> None:
    now = Later()
    async with governed(tmp_path, PROTECTED, now=now) as town:
        asked = await propose(town)
        await add_rule(town, kind="Needs a second person", acts=["Start builds"], minutes="5")
        await town.told("A new rule", person=None)
        now.by = timedelta(minutes=6)
        await town.press(asked, "Agree", "The rules give less time for this by now")
        assert town.bitrise.farm.builds == []


async def test_what_was_asked_for_before_all_of_it_was_sealed_is_asked_for_again(tmp_path: Path) -> None:
    now = Later()
    async with governed(tmp_path, PROTECTED, now=now) as town:
        asked = await propose(town)
        # As versions before this one sealed it: the act alone.
        vault = Vault([SECRET_KEY])
        [(identity, sealed)] = await town.rows("SELECT id, act FROM proposals")
        place = ("proposal", "T0SANDBOX", str(identity))
        act = json.loads(vault.open(str(sealed), *place))["act"]
        before = vault.seal(json.dumps(act), *place)
        await town.execute(f"UPDATE proposals SET act = '{before}'")  # noqa: S608 - our own seal
        await town.press(asked, "Agree", "asked for before I was updated")
        await town.stop_bot()
        now.by = timedelta(minutes=21)
        await town.start_bot()
        await town.until(lambda: "Nobody agreed in time" in town.words(asked))
        assert town.bitrise.farm.builds == []


async def test_it_is_not_asked_in_a_channel_that_may_not_see_the_app_any_more(town: Town) -> None:
    await town.ask("/bitrise subscribe android", "subscribed")
    await town.people.command("ben", "D0BEN", START)
    await town.told(WANTS, person=None)
    await town.execute("UPDATE subscriptions SET unseen_at = '2026-01-01T00:00:00.000000+00:00'")
    await town.ask(START, "there is no channel to ask for it in", person="ben", channel="D0BEN")
    assert town.bitrise.farm.builds == []


async def test_nobody_who_agrees_in_time_means_no(tmp_path: Path) -> None:
    now = Later()
    async with governed(tmp_path, PROTECTED, now=now) as town:
        asked = await propose(town)
        await town.stop_bot()
        now.by = timedelta(minutes=21)
        await town.start_bot()
        await town.until(lambda: "Nobody agreed in time" in town.words(asked))
        await town.told("has expired: nobody approved it in time", person="ben", channel="D0BEN")
        assert town.bitrise.farm.builds == []


async def test_what_was_agreed_to_when_the_bot_was_stopped_is_owned_up_to(tmp_path: Path) -> None:
    async with governed(tmp_path, PROTECTED) as town:
        asked = await propose(town)
        await town.stop_bot()
        await town.execute(
            "UPDATE proposals SET state = 'agreed', decided_at = '2026-01-01T00:00:00.000000+00:00'"
        )
        await town.start_bot()
        await town.until(lambda: "look in Bitrise whether it was done" in town.words(asked))


async def test_a_workflow_acts_in_somebodys_name_only_with_their_word(tmp_path: Path) -> None:
    async with governed(tmp_path) as town:
        await town.ask("/bitrise subscribe android", "subscribed")
        inputs = {"app": "android", "branch": "main", "person": "U0BEN"}
        run = town.people.run_step("start_bitrise_build", inputs)
        asked = await town.told("in your name", person="ben", channel="D0BEN")
        assert town.bitrise.farm.builds == []
        # All that will be done stands above the button, which asks nothing more.
        assert "confirm" not in str(asked.blocks)
        await town.people.click("ben", asked, "Do it as me")
        await town.until(lambda: run.status == "completed")
        decided = "ben agreed: a workflow wanted to start"
        await town.until(lambda: decided in town.words(asked))
        assert "in the name of @ben" in town.words(asked)
        [build] = town.bitrise.farm.builds
        assert build.triggered_by == "manual-ben-okafor"
        assert run.outputs is not None
        assert run.outputs["number"] == 1


async def test_a_workflow_without_anybodys_word_does_nothing(tmp_path: Path) -> None:
    async with governed(tmp_path) as town:
        await town.ask("/bitrise subscribe android", "subscribed")
        run = town.people.run_step("start_bitrise_build", {"app": "android", "branch": "main"})
        await town.until(lambda: run.status == "failed")
        assert "Fill in *On behalf of*" in str(run.error)
        inputs = {"app": "android", "branch": "main", "person": "U0BEN"}
        run = town.people.run_step("start_bitrise_build", inputs)
        asked = await town.told("in your name", person="ben", channel="D0BEN")
        await town.people.click("ben", asked, "Decline")
        await town.until(lambda: run.status == "failed")
        await town.until(lambda: "ben declined: a workflow wanted to" in town.words(asked))
        assert town.bitrise.farm.builds == []


async def test_what_is_to_be_started_is_not_readable_in_the_database(town: Town) -> None:
    await propose(town, "/bitrise trigger android branch:main env:API_TOKEN=canary-4711-canary")
    await town.stop_bot()
    assert b"canary-4711-canary" not in town.kept()


def _button(post: Post) -> dict[str, str]:
    elements = [one for block in post.blocks if block["type"] == "actions" for one in block["elements"]]
    found: dict[str, str] = next(one for one in elements if one["text"]["text"] == "Agree")
    return found


async def test_one_that_can_not_be_read_any_more_ends_and_keeps_no_other_from_ending(tmp_path: Path) -> None:
    later = timedelta(0)
    async with governed(tmp_path, PROTECTED, now=lambda: utc_now() + later) as town:
        await town.ask("/bitrise subscribe android", "subscribed")
        changed = await propose(town)
        await town.execute("UPDATE proposals SET asked_by = 'U0CARLA'")
        other = await propose(town, "/bitrise trigger android branch:release/2")
        run = town.people.run_step(
            "start_bitrise_build", {"app": "android", "branch": "main", "person": "U0BEN"}
        )
        mine = await town.told("in your name", person="ben", channel="D0BEN")
        await town.execute("UPDATE proposals SET act = '' WHERE execution IS NOT NULL")
        later = timedelta(hours=2)
        await town.stop_bot()
        await town.start_bot()
        await town.until(lambda: "Nobody agreed in time" in town.words(other))
        for post in (changed, mine):
            await town.until(lambda post=post: "can't read any more" in town.words(post))  # type: ignore[misc]
        await town.until(lambda: run.status != "running")
        assert "It was not done" in str(run.error)
        await town.holds("SELECT state FROM proposals", "expired", "expired", "expired")
        assert town.bitrise.farm.builds == []
