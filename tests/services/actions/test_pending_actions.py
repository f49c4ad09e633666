"""What is protected needs a second person: asked in the channel, for a time, never oneself."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.app import utc_now
from sandbox.slack.models import Post
from storage.encryption import SecretBox
from tests.services.features.test_access_rules import add_rule, governed
from tests.support.bot_harness import SECRET_KEY, BotHarness

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
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    async with governed(tmp_path, PROTECTED) as opened:
        yield opened


async def request_action(harness: BotHarness, words: str = START) -> Post:
    before = harness.last("builds", None)
    await harness.users.command("ben", "builds", words)
    return await harness.wait_for_message("Somebody else must agree", person=None, after=before)


async def test_it_is_asked_in_the_channel_agreed_to_and_done_as_the_one_who_asked(
    harness: BotHarness,
) -> None:
    asked = await request_action(harness)
    said = harness.message_text(asked)
    assert WANTS in said
    assert "Who may agree: Anna Berg and Ben Okafor" in said
    assert harness.bitrise.state.builds == []
    await harness.users.click("anna", asked, "Agree")
    await harness.wait_for_message("ben started Sample Android #1", person=None)
    await harness.wait_until(lambda: "anna agreed" in harness.message_text(asked))
    [build] = harness.bitrise.state.builds
    assert build.triggered_by == "manual-ben-okafor"


async def test_where_several_rules_protect_it_the_shortest_time_counts(tmp_path: Path) -> None:
    shorter = PROTECTED.replace("minutes = 20", "minutes = 5")
    async with governed(tmp_path, shorter + PROTECTED.replace("minutes = 20", "minutes = 90")) as town:
        await request_action(town)
        [(asked_at, expires_at)] = await town.rows("SELECT asked_at, expires_at FROM proposals")
        lasts = datetime.fromisoformat(str(expires_at)) - datetime.fromisoformat(str(asked_at))
        assert lasts == timedelta(minutes=5)


async def test_nobody_agrees_with_themselves(harness: BotHarness) -> None:
    asked = await request_action(harness)
    await harness.press(asked, "Agree", "a second person is the point of it", person="ben")
    assert harness.bitrise.state.builds == []


async def test_two_accounts_in_slack_of_one_person_at_bitrise_are_one_person(harness: BotHarness) -> None:
    from sandbox.bitrise.members import BEN_TOKEN

    await harness.users.command("anna", "builds", "/bitrise connect")
    await harness.slack.wait_for_modal("anna", "Personal access token")
    await harness.users.submit("anna", {"token": BEN_TOKEN})
    await harness.slack.wait_for_modal("anna", "You are ben-okafor")
    await harness.users.close_modal("anna")
    asked = await request_action(harness)
    await harness.press(asked, "Agree", "You are the same person at Bitrise")
    assert harness.bitrise.state.builds == []


async def test_only_those_who_are_named_may_agree(harness: BotHarness) -> None:
    await harness.connect("carla")
    asked = await request_action(harness)
    await harness.press(asked, "Agree", "Only Anna Berg and Ben Okafor may agree", person="carla")
    await harness.press(asked, "Decline", "Only Anna Berg and Ben Okafor may agree", person="carla")
    assert harness.bitrise.state.builds == []


async def test_a_decline_ends_it(harness: BotHarness) -> None:
    asked = await request_action(harness)
    await harness.users.click("anna", asked, "Decline")
    await harness.wait_until(lambda: "anna declined" in harness.message_text(asked))
    assert "[Agree]" not in harness.message_text(asked)
    assert harness.bitrise.state.builds == []


async def test_whoever_agrees_is_told_what_the_asker_lacks_and_offered_nothing_for_themselves(
    harness: BotHarness,
) -> None:
    asked = await request_action(harness)
    await harness.disconnect("ben")
    told = await harness.press(asked, "Agree", "has no Bitrise account linked that works")
    said = await harness.wait_for_message("but it was not done", person=None)
    for post in (told, said):
        assert "connect" not in harness.message_text(post)
        assert "Link my account" not in harness.message_text(post)
    assert "has no Bitrise account linked" in harness.message_text(said)
    assert harness.bitrise.state.builds == []


async def test_it_is_done_once_however_often_it_is_agreed_to(harness: BotHarness) -> None:
    asked = await request_action(harness)
    blocks = json.loads(json.dumps(asked.blocks))
    await harness.users.click("anna", asked, "Agree")
    await harness.wait_for_message("ben started Sample Android #1", person=None)
    asked.blocks = blocks  # as somebody still sees it who has not been told of the change
    await harness.press(asked, "Agree", "This was decided already")
    assert len(harness.bitrise.state.builds) == 1


async def test_what_is_not_protected_needs_nobody(harness: BotHarness) -> None:
    await harness.ask(
        "/bitrise trigger android branch:develop", "ben started Sample Android #1", person="ben"
    )


async def test_what_does_not_say_its_branch_counts_as_protected(harness: BotHarness) -> None:
    await request_action(harness, "/bitrise trigger android commit:abc123 workflow:deploy")
    assert harness.bitrise.state.builds == []


async def test_aborting_a_build_of_a_protected_branch_needs_a_second_person_too(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android, params={"branch": "release/2.1"})
    asked = await request_action(harness, "/bitrise abort android #1 it is broken")
    assert "ben wants to abort Sample Android #1" in harness.message_text(asked)
    assert "it is broken" in harness.message_text(asked)
    # Those who may agree are notified, and nobody else.
    assert "<@U0ANNA>" in asked.text
    assert "please decide" in harness.message_text(asked)
    assert build.result is None
    await harness.users.click("anna", asked, "Decline")
    await harness.wait_for_message(
        "declined your request in #builds to abort Sample Android #1", person="ben", channel="D0BEN"
    )
    await harness.wait_until(lambda: "reason: it is broken" in harness.message_text(asked))
    asked = await request_action(harness, "/bitrise abort android #1 it is broken")
    await harness.users.click("anna", asked, "Agree")
    await harness.wait_for_message("ben aborted Sample Android #1: it is broken", person=None)
    assert build.abort_reason is not None
    assert "ben-okafor" in build.abort_reason


async def test_a_button_that_was_made_up_or_comes_from_another_proposal_agrees_to_nothing(
    harness: BotHarness,
) -> None:
    asked = await request_action(harness)
    other = await request_action(harness)
    button = _button(asked)
    genuine, others = json.loads(button["value"]), json.loads(_button(other)["value"])
    for forged in (
        {"id": genuine["id"], "seal": others["seal"]},
        {"id": genuine["id"], "seal": "0" * 32},
        {"id": "0" * 32, "seal": genuine["seal"]},
    ):
        button["value"] = json.dumps(forged)
        await harness.press(asked, "Agree", "not one of mine")
    button["value"] = json.dumps({"id": genuine["id"]})
    await harness.press(asked, "Agree", "another version of me")
    assert harness.bitrise.state.builds == []


async def test_whoever_loses_the_right_meanwhile_does_not_get_it_done(harness: BotHarness) -> None:
    from sandbox.bitrise.members import BEN_TOKEN

    asked = await request_action(harness)
    harness.bitrise.revoke(BEN_TOKEN)
    await harness.users.click("anna", asked, "Agree")
    await harness.wait_until(lambda: "but it was not done" in harness.message_text(asked))
    assert harness.bitrise.state.builds == []


async def test_a_rule_that_is_made_meanwhile_counts(harness: BotHarness) -> None:
    asked = await request_action(harness)
    only_anna = {"who": "The people and groups below", "people": ["U0ANNA"]}
    await add_rule(harness, kind="These people may, and nobody else", acts=["Start builds"], **only_anna)
    await harness.wait_for_message("A new rule: Only", person=None)
    await harness.users.click("anna", asked, "Agree")
    await harness.wait_until(lambda: "but it was not done" in harness.message_text(asked))
    assert "Only Anna Berg may start builds" in harness.message_text(asked)
    assert harness.bitrise.state.builds == []


class Later:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self.by = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.by


async def test_too_late_is_too_late_even_before_the_message_says_so(tmp_path: Path) -> None:
    now = Later()
    async with governed(tmp_path, PROTECTED, now=now) as town:
        asked = await request_action(town)
        now.by = timedelta(minutes=21)
        await town.press(asked, "Agree", "Its time has run out")
        assert town.bitrise.state.builds == []


async def test_from_home_it_is_asked_in_a_channel_that_follows_the_app(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.users.open_home("ben")
    await harness.wait_until(lambda: "Abort" in str(harness.slack.workspace.homes.get("U0BEN")))
    await harness.users.set_value("ben", "Abort")
    await harness.slack.wait_for_modal("ben", "stops at once")
    await harness.users.submit("ben", {"reason": "stop"})
    await harness.wait_for_message("ben wants to abort Sample Android #1", person=None)
    assert build.result is None


async def test_a_shorter_time_that_is_set_meanwhile_counts(tmp_path: Path) -> None:
    now = Later()
    async with governed(tmp_path, PROTECTED, now=now) as town:
        asked = await request_action(town)
        await add_rule(town, kind="Needs a second person", acts=["Start builds"], minutes="5")
        await town.wait_for_message("A new rule", person=None)
        now.by = timedelta(minutes=6)
        await town.press(asked, "Agree", "The rules give less time for this by now")
        assert town.bitrise.state.builds == []


async def test_what_was_asked_for_before_all_of_it_was_sealed_is_asked_for_again(tmp_path: Path) -> None:
    now = Later()
    async with governed(tmp_path, PROTECTED, now=now) as town:
        asked = await request_action(town)
        # As versions before this one sealed it: the act alone.
        vault = SecretBox([SECRET_KEY])
        [(identity, sealed)] = await town.rows("SELECT id, act FROM proposals")
        place = ("proposal", "T0SANDBOX", str(identity))
        act = json.loads(vault.decrypt(str(sealed), *place))["act"]
        before = vault.encrypt(json.dumps(act), *place)
        await town.execute(f"UPDATE proposals SET act = '{before}'")  # noqa: S608 - our own seal
        await town.press(asked, "Agree", "asked for before I was updated")
        await town.stop_bot()
        now.by = timedelta(minutes=21)
        await town.start_bot()
        await town.wait_until(lambda: "Nobody agreed in time" in town.message_text(asked))
        assert town.bitrise.state.builds == []


async def test_it_is_not_asked_in_a_channel_that_may_not_see_the_app_any_more(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    await harness.users.command("ben", "D0BEN", START)
    await harness.wait_for_message(WANTS, person=None)
    await harness.execute("UPDATE subscriptions SET unseen_at = '2026-01-01T00:00:00.000000+00:00'")
    await harness.ask(START, "there is no channel to ask for it in", person="ben", channel="D0BEN")
    assert harness.bitrise.state.builds == []


async def test_nobody_who_agrees_in_time_means_no(tmp_path: Path) -> None:
    now = Later()
    async with governed(tmp_path, PROTECTED, now=now) as town:
        asked = await request_action(town)
        await town.stop_bot()
        now.by = timedelta(minutes=21)
        await town.start_bot()
        await town.wait_until(lambda: "Nobody agreed in time" in town.message_text(asked))
        await town.wait_for_message("has expired: nobody approved it in time", person="ben", channel="D0BEN")
        assert town.bitrise.state.builds == []


async def test_what_was_agreed_to_when_the_bot_was_stopped_is_owned_up_to(tmp_path: Path) -> None:
    async with governed(tmp_path, PROTECTED) as town:
        asked = await request_action(town)
        await town.stop_bot()
        await town.execute(
            "UPDATE proposals SET state = 'agreed', decided_at = '2026-01-01T00:00:00.000000+00:00'"
        )
        await town.start_bot()
        await town.wait_until(lambda: "look in Bitrise whether it was done" in town.message_text(asked))


async def test_a_workflow_acts_in_somebodys_name_only_with_their_word(tmp_path: Path) -> None:
    async with governed(tmp_path) as town:
        await town.ask("/bitrise subscribe android", "subscribed")
        inputs = {"app": "android", "branch": "main", "person": "U0BEN"}
        run = town.users.run_step("start_bitrise_build", inputs)
        asked = await town.wait_for_message("in your name", person="ben", channel="D0BEN")
        assert town.bitrise.state.builds == []
        await town.users.click("ben", asked, "Do it as me")
        await town.wait_until(lambda: run.status == "completed")
        [build] = town.bitrise.state.builds
        assert build.triggered_by == "manual-ben-okafor"
        assert run.outputs is not None
        assert run.outputs["number"] == 1


async def test_a_workflow_without_anybodys_word_does_nothing(tmp_path: Path) -> None:
    async with governed(tmp_path) as town:
        await town.ask("/bitrise subscribe android", "subscribed")
        run = town.users.run_step("start_bitrise_build", {"app": "android", "branch": "main"})
        await town.wait_until(lambda: run.status == "failed")
        assert "Fill in *On behalf of*" in str(run.error)
        inputs = {"app": "android", "branch": "main", "person": "U0BEN"}
        run = town.users.run_step("start_bitrise_build", inputs)
        asked = await town.wait_for_message("in your name", person="ben", channel="D0BEN")
        await town.users.click("ben", asked, "Decline")
        await town.wait_until(lambda: run.status == "failed")
        assert town.bitrise.state.builds == []


async def test_what_is_to_be_started_is_not_readable_in_the_database(harness: BotHarness) -> None:
    await request_action(harness, "/bitrise trigger android branch:main env:API_TOKEN=canary-4711-canary")
    await harness.stop_bot()
    assert b"canary-4711-canary" not in harness.stored_bytes()


def _button(post: Post) -> dict[str, str]:
    elements = [one for block in post.blocks if block["type"] == "actions" for one in block["elements"]]
    found: dict[str, str] = next(one for one in elements if one["text"]["text"] == "Agree")
    return found


async def test_one_that_can_not_be_read_any_more_ends_and_keeps_no_other_from_ending(tmp_path: Path) -> None:
    later = timedelta(0)
    async with governed(tmp_path, PROTECTED, now=lambda: utc_now() + later) as town:
        await town.ask("/bitrise subscribe android", "subscribed")
        changed = await request_action(town)
        await town.execute("UPDATE proposals SET asked_by = 'U0CARLA'")
        other = await request_action(town, "/bitrise trigger android branch:release/2")
        run = town.users.run_step(
            "start_bitrise_build", {"app": "android", "branch": "main", "person": "U0BEN"}
        )
        mine = await town.wait_for_message("in your name", person="ben", channel="D0BEN")
        await town.execute("UPDATE proposals SET act = '' WHERE execution IS NOT NULL")
        later = timedelta(hours=2)
        await town.stop_bot()
        await town.start_bot()
        await town.wait_until(lambda: "Nobody agreed in time" in town.message_text(other))
        for post in (changed, mine):
            await town.wait_until(lambda post=post: "can't read any more" in town.message_text(post))  # type: ignore[misc]
        await town.wait_until(lambda: run.status != "running")
        assert "It was not done" in str(run.error)
        await town.wait_for_values("SELECT state FROM proposals", "expired", "expired", "expired")
        assert town.bitrise.state.builds == []
