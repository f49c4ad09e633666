"""Pipelines: one card each, notified once, aborted, and started again as a whole or in part."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from sandbox.bitrise.state import Build, Pipeline
from sandbox.slack.models import Post
from tests.support.bot_harness import BotHarness, bot_harness

STAGES = [["compile"], ["unit", "lint"], ["deploy"]]


def start_pipeline(harness: BotHarness, **options: Any) -> Pipeline:
    return harness.bitrise.start_pipeline(harness.bitrise.android, stages=STAGES, **options)


def finish_workflow(harness: BotHarness, pipeline: Pipeline, name: str, result: str = "success") -> Build:
    """End a workflow's build now, and start the next stage if its stage is complete."""
    build = pipeline.builds[name]
    build.finish(result, harness.clock())  # type: ignore[arg-type]
    harness.bitrise.state.advance(harness.clock())
    return build


def cards(harness: BotHarness) -> list[Post]:
    return harness.messages_with("release-train")


async def wait_for_text(harness: BotHarness, post: Post, text: str) -> None:
    await harness.slack.workspace.wait_for(
        lambda: True if text in harness.message_text(post) else None,
        30,
        f"{text!r} in\n{harness.message_text(post)}",
    )


async def test_a_pipeline_is_notified_as_one_card_when_it_ends(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    pipeline = start_pipeline(harness)
    await harness.wait_for_poll()
    for name in ("compile", "unit", "lint"):
        finish_workflow(harness, pipeline, name)
        await harness.wait_for_poll()
    assert cards(harness) == []
    finish_workflow(harness, pipeline, "deploy")
    card = await harness.wait_for_message("release-train #1 passed", person=None)
    text = harness.message_text(card)
    assert "Stage 2  ✅ unit passed" in text
    assert "[Rebuild all]" in text
    await harness.wait_for_poll()
    assert len(cards(harness)) == 1
    assert not harness.messages_with("Sample Android #1 passed")
    assert "release-train #1 passed on main. compile passed, unit passed" in card.text
    sample = harness.bot.metrics.registry.get_sample_value
    await harness.wait_until(lambda: sample("buildbell_notifications_told_total") == 4)
    # The first three have waited for the end of the pipeline on purpose.
    assert (sample("buildbell_notification_lag_seconds_count") or 0) <= 1


async def test_a_failed_workflow_is_notified_at_once_and_the_same_card_shows_the_rest(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    pipeline = start_pipeline(harness)
    finish_workflow(harness, pipeline, "compile")
    await harness.wait_for_poll()
    finish_workflow(harness, pipeline, "unit", "error")
    card = await harness.wait_for_message("release-train #1 is running", person=None)
    assert "❌ unit failed" in harness.message_text(card)
    assert "2 of 4 workflows finished" in harness.message_text(card)
    finish_workflow(harness, pipeline, "lint")
    await wait_for_text(harness, card, "release-train #1 failed")
    harness.clock.skip(timedelta(minutes=1))
    await wait_for_text(harness, card, "gradle-unit-test@1.0.7")
    await harness.wait_for_poll()
    assert len(cards(harness)) == 1
    assert "deploy not started" in harness.message_text(card)


async def test_a_rebuild_of_what_failed_is_a_new_attempt_with_a_card_of_its_own(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    pipeline = start_pipeline(harness)
    for name, result in (("compile", "success"), ("unit", "error"), ("lint", "success")):
        finish_workflow(harness, pipeline, name, result)
    first = await harness.wait_for_message("release-train #1 failed", person=None)
    second_attempt = await harness.press(
        first, "Rebuild failed", "anna rebuilt the failed workflows of Sample Android release-train #1"
    )
    finish_workflow(harness, pipeline, "unit")
    finish_workflow(harness, pipeline, "deploy")
    await wait_for_text(harness, second_attempt, "passed, attempt 2")
    second = await harness.wait_for_message("passed, attempt 2", person=None, after=second_attempt)
    assert second.thread_ts == second_attempt.ts
    assert "release-train #1 failed" in harness.message_text(first)
    assert "compile passed" in harness.message_text(second)
    assert len([post for post in cards(harness) if "Stage 1" in harness.message_text(post)]) == 3


async def test_a_pipeline_is_aborted_with_a_reason_and_its_card_is_updated(harness: BotHarness) -> None:
    pipeline = start_pipeline(harness)
    card = await harness.ask("/bitrise pipeline android #1", "release-train #1 is on hold")
    await harness.users.click("anna", card, "Abort…")
    opened = await harness.slack.wait_for_modal(
        "anna", "Sample Android release-train #1 at once and posts your name"
    )
    assert "No Git status" not in harness.slack.modal_text(opened)
    await harness.users.submit("anna", {"reason": "not today", "options": ["No notifications from Bitrise"]})
    notice = await harness.wait_for_message("anna aborted Sample Android release-train #1: not today")
    assert notice.only_for is None
    await wait_for_text(harness, card, "was aborted")
    assert pipeline.abort_reason is not None
    assert "not today (anna via Slack)" in pipeline.abort_reason
    [body] = [request.body for request in harness.bitrise.requests if request.path.endswith("/abort")]
    assert body == {
        "abort_reason": "not today (anna via Slack)",
        "abort_with_success": False,
        "skip_notifications": True,
    }
    await harness.users.click("anna", card, "Rebuild all")
    await harness.wait_for_message("anna rebuilt Sample Android release-train #1 (attempt 2)")
    assert [build.result for build in pipeline.builds.values()] == [None]


async def test_pipelines_are_listed_without_builds_and_found_by_number_or_link(
    harness: BotHarness,
) -> None:
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    pipeline = start_pipeline(harness)
    text = harness.message_text(await harness.ask("/bitrise pipelines android", "latest pipelines"))
    assert "release-train #2" in text
    assert "#1" not in text
    link = f"https://app.bitrise.io/app/{pipeline.app.slug}/pipelines/{pipeline.slug}"
    await harness.ask(f"/bitrise pipeline {link}", "release-train #2")
    await harness.ask("/bitrise pipeline android #1", "Sample Android has no pipeline #1")
    await harness.ask("/bitrise pipeline lunch", "`lunch` isn't a valid pipeline")
    await harness.ask("/bitrise pipelines ios", "has no recent pipelines")
    harness.users.invite("builds")
    post = harness.users.say("ben", "builds", f"see {link}")
    await wait_for_text(harness, post, "release-train #2 is on hold")


async def test_a_pipeline_is_started_by_its_name(harness: BotHarness) -> None:
    await harness.ask("/bitrise trigger android pipeline:release-train branch:main", "with `release-train`")
    assert harness.bitrise.state.pipelines[0].params["branch"] == "main"


async def test_errors_of_the_pipelines_endpoint_delay_notifications_but_lose_none(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.bitrise.fault("GET */pipelines", "status", status=503, times=6)
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    await harness.wait_for_message("Sample Android #1 failed", person=None)
    await harness.wait_for_poll()
    assert len(harness.messages_with("Sample Android #1 failed")) == 1
    # If pipelines stay unavailable, builds are notified one by one rather than not at all.
    harness.bitrise.fault("GET */pipelines*", "status", status=503, times=10_000)
    pipeline = start_pipeline(harness)
    finish_workflow(harness, pipeline, "compile", "error")
    await harness.wait_for_message("Sample Android #2 failed", person=None)


async def test_a_pipeline_that_ends_during_a_restart_is_notified_once(tmp_path: Path) -> None:
    async with bot_harness(tmp_path) as harness:
        await harness.ask("/bitrise subscribe android", "subscribed")
        pipeline = start_pipeline(harness)
        finish_workflow(harness, pipeline, "compile")
        await harness.wait_for_poll()
        await harness.stop_bot()
        for name in ("unit", "lint", "deploy"):
            finish_workflow(harness, pipeline, name)
        await harness.start_bot()
        await harness.wait_for_message("release-train #1 passed", person=None)
        await harness.wait_for_poll()
        assert len(cards(harness)) == 1
        assert harness.slack.violations == []


async def test_a_deleted_or_rebuilt_pipeline_does_not_hold_back_its_builds(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    deleted = start_pipeline(harness)
    finish_workflow(harness, deleted, "compile")
    await harness.wait_for_poll()
    harness.bitrise.state.pipelines.remove(deleted)
    await harness.wait_for_message("✅ compile passed", person=None)
    rebuilt = start_pipeline(harness)
    finish_workflow(harness, rebuilt, "compile")
    await harness.wait_for_poll()
    assert len(cards(harness)) == 1
    # Aborted and rebuilt at Bitrise between two polls: the end of the first attempt is never seen.
    rebuilt.builds["unit"].abort(harness.clock(), "octo", None, with_success=False)
    rebuilt.builds["lint"].abort(harness.clock(), "octo", None, with_success=False)
    harness.bitrise.state.start_attempt(rebuilt, harness.clock())
    await harness.wait_for_message(f"release-train #{rebuilt.number}", person=None)


async def test_tell_me_about_one_build_of_a_pipeline_notifies_of_that_build(harness: BotHarness) -> None:
    pipeline = start_pipeline(harness)
    harness.bitrise.start_running(pipeline.builds["compile"])
    card = await harness.ask("/bitrise build android #1", "is running")
    await harness.press(card, "Notify me", "You'll get a direct message")
    finish_workflow(harness, pipeline, "compile")
    await harness.wait_for_message("Sample Android #1 passed", channel="D0ANNA")


async def test_a_pipeline_has_one_reply_in_a_thread(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android style:thread", "subscribed")
    pipeline = start_pipeline(harness)
    finish_workflow(harness, pipeline, "compile")
    await harness.wait_for_poll()
    finish_workflow(harness, pipeline, "unit", "error")
    reply = await harness.wait_for_message("❌ unit failed", person=None)
    assert reply.thread_ts is not None
    finish_workflow(harness, pipeline, "lint")
    await wait_for_text(harness, reply, "release-train #1 failed")
    assert len([post for post in harness.slack.posts("builds") if post.thread_ts]) == 1


async def test_a_card_is_refreshed_only_by_users_who_may_see_the_app(tmp_path: Path) -> None:
    async with bot_harness(
        tmp_path, seconds={"access_check_seconds": 0.2}, service_token_acts="0"
    ) as harness:
        await harness.connect("ben")
        await harness.ask("/bitrise subscribe android", "subscribed", person="ben")
        pipeline = start_pipeline(harness)
        finish_workflow(harness, pipeline, "compile", "error")
        card = await harness.wait_for_message("release-train #1", person=None)
        harness.bitrise.set_role("ben-okafor", harness.bitrise.android, None)
        await harness.wait_for_message("can't see the app at Bitrise any more", person=None)
        before = harness.message_text(card)
        await harness.press(card, "Refresh", "apps that this channel subscribes to", person="carla")
        assert harness.message_text(card) == before
