"""A build's log, as people read it: steps, words, whole, and while it is written."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.bitrise.state import Build
from sandbox.slack.models import Post
from tests.support.bot_harness import BotHarness, bot_harness


def failed(harness: BotHarness) -> Build:
    harness.bitrise.start_build(harness.bitrise.android, ends_as="error")
    harness.clock.skip(timedelta(minutes=10))
    return harness.bitrise.state.builds[-1]


async def log(harness: BotHarness) -> Post:
    return await harness.ask("/bitrise log android #1", "Log of")


async def test_the_steps_are_listed_and_the_end_of_each_can_be_seen(harness: BotHarness) -> None:
    failed(harness)
    post = await log(harness)
    said = harness.message_text(post)
    assert "✅ `git-clone@8.4.0` succeeded in 28 s" in said
    assert "❌ `gradle-unit-test@1.0.7` failed after 29 s" in said
    assert "The end of `gradle-unit-test@1.0.7`" in said
    assert "118 tests completed, 1 failed" in said
    before = harness.last()
    await harness.users.click("anna", post, "log_step", "1. activate-ssh-key@4.1.1")
    step = await harness.wait_for_message("SSH key is added to the agent", after=before)
    assert step.only_for == "U0ANNA"
    assert "The end of `activate-ssh-key@4.1.1`" in harness.message_text(step)


async def test_a_server_that_sums_steps_up_is_believed_and_an_ai_summary_shown_beside(
    harness: BotHarness,
) -> None:
    harness.bitrise.android.has_log_summary = harness.bitrise.android.has_ai_summary = True
    failed(harness)
    said = harness.message_text(await log(harness))
    assert re.search(
        "❌ `gradle-unit-test@1.0.7` failed after (29|30) s: 118 tests completed, 1 failed", said
    )
    assert "Bitrise's own summary, made by AI" in said
    assert "LoginTest rejects an empty password" in said
    assert "FAILURE: Build failed with an exception." in said


async def test_a_word_is_searched_in_the_whole_log(harness: BotHarness) -> None:
    failed(harness)
    post = await log(harness)
    await harness.users.click("anna", post, "Search…")
    await harness.slack.wait_for_modal("anna", "Word or part of a line")
    await harness.users.submit("anna", {"word": "assertionerror"})
    opened = await harness.slack.wait_for_modal("anna", "stands in one line of the")
    said = harness.slack.modal_text(opened)
    assert "AssertionError at LoginTest.kt:42" in said
    assert "gradle-unit-test@1.0.7" in said
    await harness.users.close_modal("anna")
    await harness.users.submit("anna", {"word": "nowhere"})
    await harness.slack.wait_for_modal("anna", "stands in none of the")


async def test_what_was_read_in_part_is_not_called_the_whole(
    harness: BotHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.bitrise.api.logs.CHUNKS_SHOWN", 2)
    failed(harness)
    harness.bitrise.file_store.is_down = True
    post = await log(harness)
    assert "I could read only the last part of this log" in harness.message_text(post)
    assert "118 tests completed, 1 failed" in harness.message_text(post)
    await harness.users.click("anna", post, "Search…")
    await harness.slack.wait_for_modal("anna", "Word or part of a line")
    await harness.users.submit("anna", {"word": "SSH key"})
    opened = await harness.slack.wait_for_modal("anna", "stands in none of the last")
    assert "all I could read" in harness.slack.modal_text(opened)


async def test_the_whole_log_comes_as_a_file_to_the_person_or_is_shared_on_purpose(
    harness: BotHarness,
) -> None:
    failed(harness)
    post = await log(harness)
    await harness.press(post, "Send me the file", "in our direct messages")
    [mine] = [one for one in harness.slack.workspace.find_channel("D0ANNA").posts if one.files]
    content = next(iter(harness.slack.workspace.files.values())).decode()
    assert "FAILURE: Build failed with an exception." in content
    assert "\x1b" not in content
    assert mine.files[0]["title"] == "Log of Sample Android #1"
    card = await harness.ask("/bitrise build android #1", "failed")
    assert card.only_for
    harness.users.invite("builds")
    harness.users.say("anna", "builds", "@buildbell build android #1")
    card = await harness.wait_for_message("Sample Android #1 failed", person=None)
    shown = await harness.press(card, "Log", "Log of")
    await harness.users.click("anna", shown, "Share the file")
    shared = await harness.slack.workspace.wait_for(
        lambda: next(
            (one for one in harness.slack.workspace.find_channel("builds").posts if one.files), None
        ),
        10,
        "the file",
    )
    assert shared.thread_ts == card.ts
    assert "for @anna" in harness.message_text(shared)


async def test_a_log_that_is_not_archived_can_not_be_handed_over_yet(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    harness.clock.skip(timedelta(minutes=2))
    card = await harness.ask("/bitrise log android #1", "still being written")
    assert "[Send me the file]" not in harness.message_text(card)
    harness.bitrise.finish(build)
    card = await harness.ask("/bitrise log android #1", "still putting together")
    await harness.press(card, "Send me the file", "not archived yet")


async def test_a_growing_log_is_followed_until_its_end(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, seconds={"follow_seconds": 0.1}) as town:
        build = town.bitrise.start_build(town.bitrise.android)
        town.bitrise.start_running(build)
        town.clock.skip(timedelta(seconds=30))
        post = await town.ask("/bitrise log android #1", "still being written")
        await town.press(post, "Follow", "I follow the log in our direct messages")
        shown = await town.wait_for_message("as it is written, until", channel="D0ANNA")
        await town.press(post, "Follow", "You follow this log already")
        town.clock.skip(timedelta(seconds=120))
        await town.wait_for_message("testDebugUnitTest", channel="D0ANNA")
        town.bitrise.finish(build)
        await town.wait_for_message("succeeded; this was the end of its log", channel="D0ANNA")
        assert shown.edited
        assert len([one for one in town.slack.posts("D0ANNA") if one.by_bot]) == 1
        assert town.slack.violations == []


@pytest.mark.parametrize("kind", ["dropped", "html"])
async def test_following_goes_on_when_slack_could_not_take_it(tmp_path: Path, kind: str) -> None:
    async with bot_harness(tmp_path, seconds={"follow_seconds": 0.1}) as town:
        build = town.bitrise.start_build(town.bitrise.android)
        town.bitrise.start_running(build)
        town.clock.skip(timedelta(seconds=30))
        post = await town.ask("/bitrise log android #1", "still being written")
        await town.press(post, "Follow", "I follow the log in our direct messages")
        town.slack.fault("chat.update", kind, times=2)
        town.bitrise.finish(build)
        await town.wait_for_message("succeeded; this was the end of its log", channel="D0ANNA")
        assert town.slack.api.faults.active == []


async def test_two_presses_at_once_follow_a_log_once(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    harness.clock.skip(timedelta(seconds=60))
    post = await harness.ask("/bitrise log android #1", "still being written")
    await asyncio.gather(
        harness.press(post, "Follow", "You follow this log already"),
        harness.press(post, "Follow", "I follow the log in our direct messages"),
    )
    assert len([one for one in harness.slack.posts("D0ANNA") if one.by_bot]) == 1


async def test_a_bot_that_stops_says_that_it_follows_no_longer(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    harness.clock.skip(timedelta(seconds=60))
    post = await harness.ask("/bitrise log android #1", "still being written")
    await harness.press(post, "Follow", "I follow the log")
    await harness.stop_bot()
    last = harness.last("D0ANNA")
    assert last is not None
    assert "I have stopped following" in harness.message_text(last)
    assert "[Follow on]" in harness.message_text(last)
