"""Pipelines: one card each, told once, aborted and started again as a whole or in part."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from sandbox.bitrise.state import Build, Pipeline
from sandbox.slack.models import Post
from tests.support.bot_harness import BotHarness, bot_harness

STAGES = [["compile"], ["unit", "lint"], ["deploy"]]


def begin(harness: BotHarness, **more: Any) -> Pipeline:
    return harness.bitrise.start_pipeline(harness.bitrise.android, stages=STAGES, **more)


def finish_workflow(harness: BotHarness, pipeline: Pipeline, name: str, result: str = "success") -> Build:
    """Let one workflow's build end now, and the next stage begin."""
    build = pipeline.builds[name]
    build.finish(result, harness.clock())  # type: ignore[arg-type]
    harness.bitrise.state.advance(harness.clock())
    return build


def cards(harness: BotHarness) -> list[Post]:
    return harness.messages_with("release-train")


async def says(harness: BotHarness, post: Post, text: str) -> None:
    await harness.slack.workspace.wait_for(
        lambda: True if text in harness.message_text(post) else None,
        30,
        f"{text!r} in\n{harness.message_text(post)}",
    )


async def test_a_pipeline_is_told_as_one_card_at_its_end(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    pipeline = begin(harness)
    await harness.wait_for_poll()
    for name in ("compile", "unit", "lint"):
        finish_workflow(harness, pipeline, name)
        await harness.wait_for_poll()
    assert cards(harness) == []
    finish_workflow(harness, pipeline, "deploy")
    card = await harness.wait_for_message("release-train #1 succeeded", person=None)
    said = harness.message_text(card)
    assert "Stage 2  ✅ unit succeeded" in said
    assert "[Rebuild all]" in said
    await harness.wait_for_poll()
    assert len(cards(harness)) == 1
    assert not harness.messages_with("Sample Android #1 succeeded")
    assert "release-train #1 succeeded on main. compile succeeded, unit succeeded" in card.text


async def test_a_failure_is_told_at_once_and_the_same_card_follows_the_rest(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    pipeline = begin(harness)
    finish_workflow(harness, pipeline, "compile")
    await harness.wait_for_poll()
    finish_workflow(harness, pipeline, "unit", "error")
    card = await harness.wait_for_message("release-train #1 is running", person=None)
    assert "❌ unit failed" in harness.message_text(card)
    assert "2 of 4 workflows done" in harness.message_text(card)
    finish_workflow(harness, pipeline, "lint")
    await says(harness, card, "release-train #1 failed")
    harness.clock.skip(timedelta(minutes=1))
    await says(harness, card, "gradle-unit-test@1.0.7")
    await harness.wait_for_poll()
    assert len(cards(harness)) == 1
    assert "deploy has not begun" in harness.message_text(card)


async def test_a_rebuild_of_what_failed_is_a_new_attempt_with_a_card_of_its_own(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    pipeline = begin(harness)
    for name, result in (("compile", "success"), ("unit", "error"), ("lint", "success")):
        finish_workflow(harness, pipeline, name, result)
    first = await harness.wait_for_message("release-train #1 failed", person=None)
    again = await harness.press(
        first, "Rebuild failed", "anna started what had not succeeded of Sample Android release-train #1"
    )
    finish_workflow(harness, pipeline, "unit")
    finish_workflow(harness, pipeline, "deploy")
    await says(harness, again, "succeeded, attempt 2")
    second = await harness.wait_for_message("succeeded, attempt 2", person=None, after=again)
    assert second.thread_ts == again.ts
    assert "release-train #1 failed" in harness.message_text(first)
    assert "compile succeeded" in harness.message_text(second)
    assert len([post for post in cards(harness) if "Stage 1" in harness.message_text(post)]) == 3


async def test_a_pipeline_is_aborted_with_a_reason_and_its_card_says_so(harness: BotHarness) -> None:
    pipeline = begin(harness)
    card = await harness.ask("/bitrise pipeline android #1", "release-train #1 is on hold")
    await harness.users.click("anna", card, "Abort")
    opened = await harness.slack.wait_for_modal("anna", "Sample Android release-train #1 stops at once")
    assert "No Git status" not in harness.slack.modal_text(opened)
    await harness.users.submit("anna", {"reason": "not today", "options": ["No notifications from Bitrise"]})
    told = await harness.wait_for_message("anna aborted Sample Android release-train #1: not today")
    assert told.only_for is None
    await says(harness, card, "was aborted")
    assert pipeline.abort_reason is not None
    assert "not today (anna via Slack)" in pipeline.abort_reason
    [asked] = [one.body for one in harness.bitrise.requests if one.path.endswith("/abort")]
    assert asked == {
        "abort_reason": "not today (anna via Slack)",
        "abort_with_success": False,
        "skip_notifications": True,
    }
    await harness.users.click("anna", card, "Rebuild all")
    await harness.wait_for_message("anna started all of Sample Android release-train #1 again: attempt 2")
    assert [build.result for build in pipeline.builds.values()] == [None]


async def test_pipelines_are_listed_found_by_number_or_link_and_not_mixed_with_builds(
    harness: BotHarness,
) -> None:
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    pipeline = begin(harness)
    listed = harness.message_text(await harness.ask("/bitrise pipelines android", "the latest pipelines"))
    assert "release-train #2" in listed
    assert "#1" not in listed
    link = f"https://app.bitrise.io/app/{pipeline.app.slug}/pipelines/{pipeline.slug}"
    await harness.ask(f"/bitrise pipeline {link}", "release-train #2")
    await harness.ask("/bitrise pipeline android #1", "Sample Android has no pipeline #1")
    await harness.ask("/bitrise pipeline lunch", "lunch is no pipeline")
    await harness.ask("/bitrise pipelines ios", "has no pipelines among its latest builds")
    harness.users.invite("builds")
    post = harness.users.say("ben", "builds", f"see {link}")
    await says(harness, post, "release-train #2 is on hold")


async def test_a_pipeline_is_started_by_its_name(harness: BotHarness) -> None:
    await harness.ask("/bitrise trigger android pipeline:release-train branch:main", "with `release-train`")
    assert harness.bitrise.state.pipelines[0].params["branch"] == "main"


async def test_a_trouble_with_pipelines_delays_builds_but_loses_none(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.bitrise.fault("GET */pipelines", "status", status=503, times=6)
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    await harness.wait_for_message("Sample Android #1 failed", person=None)
    await harness.wait_for_poll()
    assert len(harness.messages_with("Sample Android #1 failed")) == 1
    # For good: then builds are told by themselves rather than not at all.
    harness.bitrise.fault("GET */pipelines*", "status", status=503, times=10_000)
    pipeline = begin(harness)
    finish_workflow(harness, pipeline, "compile", "error")
    await harness.wait_for_message("Sample Android #2 failed", person=None)


async def test_what_waits_for_a_pipelines_end_survives_a_restart(tmp_path: Path) -> None:
    async with bot_harness(tmp_path) as town:
        await town.ask("/bitrise subscribe android", "subscribed")
        pipeline = begin(town)
        finish_workflow(town, pipeline, "compile")
        await town.wait_for_poll()
        await town.stop_bot()
        for name in ("unit", "lint", "deploy"):
            finish_workflow(town, pipeline, name)
        await town.start_bot()
        await town.wait_for_message("release-train #1 succeeded", person=None)
        await town.wait_for_poll()
        assert len(cards(town)) == 1
        assert town.slack.violations == []


async def test_a_pipeline_that_is_gone_or_overtaken_holds_nothing_back(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    gone = begin(harness)
    finish_workflow(harness, gone, "compile")
    await harness.wait_for_poll()
    harness.bitrise.state.pipelines.remove(gone)
    await harness.wait_for_message("✅ compile succeeded", person=None)
    overtaken = begin(harness)
    finish_workflow(harness, overtaken, "compile")
    await harness.wait_for_poll()
    assert len(cards(harness)) == 1
    # Aborted and rebuilt at Bitrise between two looks: the first attempt's end is never seen.
    overtaken.builds["unit"].abort(harness.clock(), "octo", None, with_success=False)
    overtaken.builds["lint"].abort(harness.clock(), "octo", None, with_success=False)
    harness.bitrise.state.start_attempt(overtaken, harness.clock())
    await harness.wait_for_message(f"release-train #{overtaken.number}", person=None)


async def test_who_waits_for_one_build_of_a_pipeline_is_told_of_that_one(harness: BotHarness) -> None:
    pipeline = begin(harness)
    harness.bitrise.start_running(pipeline.builds["compile"])
    card = await harness.ask("/bitrise build android #1", "is running")
    await harness.press(card, "Tell me", "I'll send you a direct message")
    finish_workflow(harness, pipeline, "compile")
    await harness.wait_for_message("Sample Android #1 succeeded", channel="D0ANNA")


async def test_a_thread_has_one_reply_a_pipeline(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android style:thread", "subscribed")
    pipeline = begin(harness)
    finish_workflow(harness, pipeline, "compile")
    await harness.wait_for_poll()
    finish_workflow(harness, pipeline, "unit", "error")
    reply = await harness.wait_for_message("❌ unit failed", person=None)
    assert reply.thread_ts is not None
    finish_workflow(harness, pipeline, "lint")
    await says(harness, reply, "release-train #1 failed")
    assert len([post for post in harness.slack.posts("builds") if post.thread_ts]) == 1


async def test_a_card_is_brought_up_to_date_for_those_alone_who_may_see_the_app(tmp_path: Path) -> None:
    async with bot_harness(tmp_path, seconds={"sight_seconds": 0.2}, service_token_acts="0") as town:
        await town.connect("ben")
        await town.ask("/bitrise subscribe android", "subscribed", person="ben")
        pipeline = begin(town)
        finish_workflow(town, pipeline, "compile", "error")
        card = await town.wait_for_message("release-train #1", person=None)
        town.bitrise.set_role("ben-okafor", town.bitrise.android, None)
        await town.wait_for_message("can't see the app at Bitrise any more", person=None)
        before = town.message_text(card)
        await town.press(card, "Refresh", "only what this channel follows", person="carla")
        assert town.message_text(card) == before
