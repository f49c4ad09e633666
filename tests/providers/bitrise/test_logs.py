"""The log of a build: its steps, search, the whole log as a file, and following it."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.bitrise.state import Build
from sandbox.slack.models import Post
from tests.support.bot_harness import BotHarness, bot_harness


def start_failing_build(harness: BotHarness) -> Build:
    harness.bitrise.start_build(harness.bitrise.android, ends_as="error")
    harness.clock.skip(timedelta(minutes=10))
    return harness.bitrise.state.builds[-1]


async def show_log(harness: BotHarness) -> Post:
    return await harness.ask("/bitrise log android #1", "Log of")


async def test_the_steps_are_listed_and_the_end_of_each_can_be_shown(harness: BotHarness) -> None:
    start_failing_build(harness)
    post = await show_log(harness)
    text = harness.message_text(post)
    assert "✅ `git-clone@8.4.0` succeeded in 28s" in text
    assert "❌ `gradle-unit-test@1.0.7` failed after 29s" in text
    assert "Last lines of `gradle-unit-test@1.0.7`" in text
    assert "118 tests completed, 1 failed" in text
    last = harness.last()
    await harness.users.click("anna", post, "log_step", "1. activate-ssh-key@4.1.1")
    step = await harness.wait_for_message("SSH key is added to the agent", after=last)
    assert step.only_for == "U0ANNA"
    assert "Last lines of `activate-ssh-key@4.1.1`" in harness.message_text(step)


async def test_reported_steps_and_the_ai_summary_are_shown(
    harness: BotHarness,
) -> None:
    harness.bitrise.android.has_log_summary = harness.bitrise.android.has_ai_summary = True
    start_failing_build(harness)
    text = harness.message_text(await show_log(harness))
    assert re.search("❌ `gradle-unit-test@1.0.7` failed after (29|30)s: 118 tests completed, 1 failed", text)
    assert "Bitrise's AI summary" in text
    assert "LoginTest rejects an empty password" in text
    assert "FAILURE: Build failed with an exception." in text


async def test_a_word_is_searched_in_the_whole_log(harness: BotHarness) -> None:
    start_failing_build(harness)
    post = await show_log(harness)
    await harness.users.click("anna", post, "Search…")
    await harness.slack.wait_for_modal("anna", "Word or part of a line")
    await harness.users.submit("anna", {"word": "assertionerror"})
    opened = await harness.slack.wait_for_modal("anna", "is in 1 line of the")
    text = harness.slack.modal_text(opened)
    assert "AssertionError at LoginTest.kt:42" in text
    assert "gradle-unit-test@1.0.7" in text
    await harness.users.close_modal("anna")
    await harness.users.submit("anna", {"word": "nowhere"})
    await harness.slack.wait_for_modal("anna", "is in none of the")


async def test_a_log_that_was_read_in_part_is_reported_as_incomplete(
    harness: BotHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.bitrise.api.logs.CHUNKS_SHOWN", 2)
    start_failing_build(harness)
    harness.bitrise.file_store.is_down = True
    post = await show_log(harness)
    assert "Only the end of this log could be read" in harness.message_text(post)
    assert "118 tests completed, 1 failed" in harness.message_text(post)
    await harness.users.click("anna", post, "Search…")
    await harness.slack.wait_for_modal("anna", "Word or part of a line")
    await harness.users.submit("anna", {"word": "SSH key"})
    opened = await harness.slack.wait_for_modal("anna", "is in none of the last")
    assert "earlier lines couldn't be read" in harness.slack.modal_text(opened)


async def test_the_whole_log_is_sent_as_a_file_to_the_user_or_shared_in_the_channel(
    harness: BotHarness,
) -> None:
    start_failing_build(harness)
    post = await show_log(harness)
    await harness.press(post, "Send me the file", "Sent to your DMs")
    [file_post] = [post for post in harness.slack.workspace.find_channel("D0ANNA").posts if post.files]
    content = next(iter(harness.slack.workspace.files.values())).decode()
    assert "FAILURE: Build failed with an exception." in content
    assert "\x1b" not in content
    assert file_post.files[0]["title"] == "Log of Sample Android #1"
    card = await harness.ask("/bitrise build android #1", "failed")
    assert card.only_for
    harness.users.invite("builds")
    harness.users.say("anna", "builds", "@buildbell build android #1")
    card = await harness.wait_for_message("Sample Android #1 failed", person=None)
    log_post = await harness.press(card, "View log", "Log of")
    await harness.users.click("anna", log_post, "Share the file")
    shared = await harness.slack.workspace.wait_for(
        lambda: next(
            (post for post in harness.slack.workspace.find_channel("builds").posts if post.files), None
        ),
        30,
        "the file",
    )
    assert shared.thread_ts == card.ts
    assert "requested by @anna" in harness.message_text(shared)


async def test_a_log_that_is_not_archived_cannot_be_sent_as_a_file_yet(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    harness.clock.skip(timedelta(minutes=2))
    card = await harness.ask("/bitrise log android #1", "in progress")
    assert "[Send me the file]" not in harness.message_text(card)
    harness.bitrise.finish(build)
    card = await harness.ask("/bitrise log android #1", "processing at Bitrise")
    await harness.press(card, "Send me the file", "The full log isn't available yet")


async def test_a_growing_log_is_followed_until_its_end(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, seconds={"follow_seconds": 0.1}) as harness:
        build = harness.bitrise.start_build(harness.bitrise.android)
        harness.bitrise.start_running(build)
        harness.clock.skip(timedelta(seconds=30))
        post = await harness.ask("/bitrise log android #1", "in progress")
        await harness.press(post, "Follow", "Following the log in your DMs")
        followed_post = await harness.wait_for_message("Following the log of", channel="D0ANNA")
        await harness.press(post, "Follow", "You already follow this log")
        harness.clock.skip(timedelta(seconds=120))
        await harness.wait_for_message("testDebugUnitTest", channel="D0ANNA")
        harness.bitrise.finish(build)
        await harness.wait_for_message("passed. Last lines of its log", channel="D0ANNA")
        assert followed_post.edited
        assert len([post for post in harness.slack.posts("D0ANNA") if post.by_bot]) == 1
        assert harness.slack.violations == []


async def test_a_log_is_not_read_any_more_with_a_disconnected_account(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with bot_harness(tmp_path, seconds={"follow_seconds": 0.1}, service_token_acts="0") as harness:
        await harness.connect("anna")
        build = harness.bitrise.start_build(harness.bitrise.android)
        harness.bitrise.start_running(build)
        harness.clock.skip(timedelta(seconds=30))
        post = await harness.ask("/bitrise log android #1", "in progress")
        await harness.press(post, "Follow", "Following the log in your DMs")
        await harness.disconnect()
        logged = [""]

        def update_failed() -> bool:
            logged[0] += capfd.readouterr().out
            return "follow.later" in logged[0]

        await harness.wait_until(update_failed)
        assert "NotConnected" in logged[0]


@pytest.mark.parametrize("kind", ["dropped", "html"])
async def test_following_continues_after_slack_failed_to_update_the_message(
    tmp_path: Path, kind: str
) -> None:
    async with bot_harness(tmp_path, seconds={"follow_seconds": 0.1}) as harness:
        build = harness.bitrise.start_build(harness.bitrise.android)
        harness.bitrise.start_running(build)
        harness.clock.skip(timedelta(seconds=30))
        post = await harness.ask("/bitrise log android #1", "in progress")
        await harness.press(post, "Follow", "Following the log in your DMs")
        harness.slack.fault("chat.update", kind, times=2)
        harness.bitrise.finish(build)
        await harness.wait_for_message("passed. Last lines of its log", channel="D0ANNA")
        assert harness.slack.api.faults.active == []


async def test_two_simultaneous_presses_follow_a_log_once(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    harness.clock.skip(timedelta(seconds=60))
    post = await harness.ask("/bitrise log android #1", "in progress")
    await asyncio.gather(
        harness.press(post, "Follow", "You already follow this log"),
        harness.press(post, "Follow", "Following the log in your DMs"),
    )
    assert len([post for post in harness.slack.posts("D0ANNA") if post.by_bot]) == 1


async def test_a_bot_that_stops_says_that_it_has_stopped_following(harness: BotHarness) -> None:
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.start_running(build)
    harness.clock.skip(timedelta(seconds=60))
    post = await harness.ask("/bitrise log android #1", "in progress")
    await harness.press(post, "Follow", "Following the log")
    await harness.stop_bot()
    last = harness.last("D0ANNA")
    assert last is not None
    assert "No longer following" in harness.message_text(last)
    assert "[Keep following]" in harness.message_text(last)
