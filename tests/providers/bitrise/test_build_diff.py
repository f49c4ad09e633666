"""Comparison of a failed build with the last success."""

from __future__ import annotations

from datetime import timedelta

from tests.support.bot_harness import BotHarness


async def test_a_failed_build_is_compared_with_the_last_success_of_its_workflow_and_branch(
    harness: BotHarness,
) -> None:
    for params, ends_as in (
        ({"branch": "main", "commit_hash": "aaa111"}, "success"),
        ({"branch": "develop"}, "success"),
        ({"branch": "main", "commit_hash": "bbb222", "tag": "v2"}, "error"),
    ):
        harness.bitrise.start_build(harness.bitrise.android, params=params, ends_as=ends_as)
        harness.clock.skip(timedelta(minutes=10))
    card = await harness.ask("/bitrise build android #3", "failed")
    text = harness.message_text(await harness.press(card, "Compare", "Last passed: Sample Android #1"))
    assert "❌ `gradle-unit-test@1.0.7` failed after 29s (before: 29s)" in text
    assert "`tag`" in text
    assert "[View commits]" in text
    assert "activate-ssh-key" not in text


async def test_without_an_earlier_success_compare_says_so(harness: BotHarness) -> None:
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    card = await harness.ask("/bitrise build android #1", "failed")
    await harness.press(card, "Compare", "no earlier build of its workflow on `main` that passed was found")


async def test_the_notification_of_a_failure_shows_bitrises_own_summary_and_the_log(
    harness: BotHarness,
) -> None:
    harness.bitrise.android.has_ai_summary = True
    await harness.ask("/bitrise subscribe android", "subscribed")
    build = harness.bitrise.start_build(harness.bitrise.android, ends_as="error")
    harness.bitrise.start_running(build)
    await harness.wait_for_poll()
    build.finish("error", harness.clock())
    harness.clock.skip(timedelta(seconds=30))
    notification = await harness.wait_for_message("Bitrise's AI summary", person=None)
    assert "Failed in `gradle-unit-test@1.0.7`" in harness.message_text(notification)
    assert "Check the null handling" in harness.message_text(notification)
