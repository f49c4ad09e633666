"""What somebody starts: one message that says so and follows it to its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from bot.app import utc_now
from domain.provider import Provider
from sandbox.bitrise.state import Build, Pipeline
from sandbox.slack.models import Post
from tests.providers.bitrise.test_pipelines import finish_workflow
from tests.support.bot_harness import BotHarness, bot_harness


def latest(harness: BotHarness) -> Build:
    return harness.bitrise.state.builds[-1]


async def says(harness: BotHarness, post: Post, text: str) -> str:
    """Wait until the message says this; it is edited."""
    await harness.slack.workspace.wait_for(
        lambda: text in harness.message_text(post) or None,
        30,
        f"{text!r} in a message that says:\n{harness.message_text(post)}",
    )
    return harness.message_text(post)


def buttons(post: Post) -> list[str]:
    return [
        one["text"]["text"]
        for block in post.blocks
        for one in block.get("elements", ())
        if one.get("type") == "button"
    ]


async def end(harness: BotHarness, build: Build, result: str = "success") -> None:
    harness.bitrise.finish(build, result)  # type: ignore[arg-type]


async def refreshed(harness: BotHarness, post: Post, what: str, times: int) -> None:
    await harness.users.click("anna", post, "Refresh")
    await harness.wait_for_commands(what, times)
    await harness.wait_for_values("SELECT COUNT(*) FROM messages WHERE stale > 0", 0)


async def keeps_name(harness: BotHarness, post: Post, title: str, slug: str) -> None:
    """The message, and what a notification says of it, call the app by its name."""
    for said in (harness.message_text(post), post.text):
        assert title in said, said
        assert slug not in said.replace(f"/{slug}", ""), said


async def test_a_started_build_is_one_message_that_follows_it_to_its_end(harness: BotHarness) -> None:
    post = await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")
    assert post.only_for is None
    assert {"Log", "Tell me", "Abort"} <= set(buttons(post))
    harness.bitrise.start_running(latest(harness))
    await says(harness, post, "Sample Android #1 is running")
    await harness.users.click("anna", post, "Refresh")
    await harness.wait_for_commands("build_refresh")
    await says(harness, post, "anna started Sample Android #1")
    # Those in the channel follow one run, and no app.
    await harness.ask("/bitrise subscriptions", "is told of nothing yet")
    await harness.ask(
        "/bitrise why android #1", "anna started it here, so a message in this channel follows it to its end"
    )
    await end(harness, latest(harness), "error")
    said = await says(harness, post, "Sample Android #1 failed")
    assert "anna started Sample Android #1" in said
    assert "Rebuild" in buttons(post)
    await says(harness, post, "gradle-unit-test")
    await harness.wait_for_values("SELECT COUNT(*) FROM subscriptions", 0)
    # Nobody is subscribed to the app any more, whose name it still has.
    await keeps_name(harness, post, "Sample Android #1 failed", latest(harness).app.slug)
    await refreshed(harness, post, "build_refresh", 2)
    await keeps_name(harness, post, "Sample Android #1 failed", latest(harness).app.slug)
    again = await harness.press(post, "Rebuild", "anna started Sample Android #2")
    await end(harness, latest(harness))
    assert "as Sample Android #1 was" in await says(harness, again, "Sample Android #2 succeeded")
    for number in ("#1", "#2"):
        assert len(harness.messages_with(f"anna started Sample Android {number}")) == 1
    assert len(harness.messages_with("Sample Android #2")) == 1


async def test_a_run_is_followed_over_restarts_lost_answers_and_after_its_message_is_deleted(
    harness: BotHarness,
) -> None:
    harness.users.invite("builds")
    harness.slack.fault("chat.postMessage", "answer_lost")
    post = await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")
    harness.bitrise.start_running(latest(harness))
    await says(harness, post, "is running")
    assert len(harness.messages_with("anna started Sample Android #1")) == 1
    await harness.stop_bot()
    await end(harness, latest(harness))
    await harness.start_bot()
    await says(harness, post, "Sample Android #1 succeeded")
    second = await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #2")
    harness.bitrise.start_running(latest(harness))
    await says(harness, second, "is running")
    harness.slack.workspace.remove(harness.slack.workspace.find_channel("builds"), second)
    await end(harness, latest(harness))
    await harness.wait_for_message("anna started Sample Android #2", person=None)
    await harness.wait_for_message("Sample Android #2 succeeded", person=None)
    assert len(harness.messages_with("Sample Android #2")) == 1


async def test_a_channel_that_follows_the_app_is_notified_of_the_end_in_the_thread_of_what_was_started(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    post = await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")
    harness.bitrise.start_running(latest(harness))
    await says(harness, post, "is running")
    await end(harness, latest(harness))
    await says(harness, post, "Sample Android #1 succeeded")
    told = await harness.wait_for_message("Sample Android #1 succeeded", person=None, after=post)
    assert (told.thread_ts, told.broadcast) == (post.ts, True)
    # A channel whose own messages are edited has one that does so already.
    await harness.ask("/bitrise unsubscribe 1", "ended")
    await harness.ask("/bitrise subscribe android style:live", "subscribed")
    live = await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #2")
    harness.bitrise.start_running(latest(harness))
    await says(harness, live, "is running")
    await end(harness, latest(harness), "error")
    assert "anna started" in await says(harness, live, "Sample Android #2 failed")
    await harness.wait_for_values("SELECT COUNT(*) FROM notifications WHERE status = 'owed'", 0)
    assert len(harness.messages_with("Sample Android #2")) == 1


async def test_a_run_that_a_look_has_posted_before_it_is_followed_is_one_message(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android style:live", "subscribed")
    harness.slack.fault("conversations.info", "held")
    await harness.users.command("anna", "builds", "/bitrise trigger android branch:main")
    await harness.wait_until(lambda: len(harness.bitrise.state.builds) > 0)
    harness.bitrise.start_running(latest(harness))
    post = await harness.wait_for_message("Sample Android #1 is running", person=None)
    harness.slack.api.faults.clear()
    assert "Sample Android #1 is running" in await says(harness, post, "anna started Sample Android #1")
    await end(harness, latest(harness))
    assert "anna started" in await says(harness, post, "Sample Android #1 succeeded")
    await harness.wait_for_values("SELECT COUNT(*) FROM notifications WHERE status IN ('owed', 'sending')", 0)
    await harness.wait_for_values("SELECT COUNT(*) FROM messages WHERE status <> 'told' OR stale > 0", 0)
    assert len(harness.messages_with("Sample Android #1")) == 1


async def test_where_the_bot_can_not_write_a_run_is_followed_in_a_direct_message(harness: BotHarness) -> None:
    answer = await harness.ask("/bitrise trigger android branch:main", "anna started", channel="release")
    assert answer.only_for is None
    post = await harness.wait_for_message("anna started Sample Android #1", channel="D0ANNA")
    await end(harness, latest(harness))
    await says(harness, post, "Sample Android #1 succeeded")
    assert "succeeded" not in harness.message_text(answer)
    # Slack says so only when it is asked to post: what was to follow it goes the same way.
    harness.slack.fault("conversations.info", "error", words="internal_error")
    await harness.users.command("anna", "release", "/bitrise trigger android branch:develop")
    other = await harness.wait_for_message("anna started Sample Android #2", channel="D0ANNA")
    await end(harness, latest(harness))
    await says(harness, other, "Sample Android #2 succeeded")
    direct = await harness.ask("/bitrise trigger android branch:main", "#3", channel="D0ANNA")
    await end(harness, latest(harness))
    await says(harness, direct, "Sample Android #3 succeeded")


async def test_a_run_that_can_not_be_followed_where_it_was_started_does_not_seem_to_run_for_ever(
    harness: BotHarness,
) -> None:
    # The bot is removed from a private channel: its message can't be edited any more.
    harness.users.invite("release")
    post = await harness.ask("/bitrise trigger android branch:main", "anna started", channel="release")
    harness.bitrise.start_running(latest(harness))
    await says(harness, post, "Sample Android #1 is running")
    harness.slack.workspace.leave(
        harness.slack.workspace.find_channel("release"), harness.slack.workspace.bot_user
    )
    await end(harness, latest(harness))
    direct = await harness.wait_for_message("Sample Android #1 succeeded", channel="D0ANNA")
    assert "anna started Sample Android #1" in harness.message_text(direct)
    await harness.wait_for_values("SELECT COUNT(*) FROM subscriptions", 0)
    # Nobody can say any more what the one who started it may see.
    await harness.connect("anna")
    post = await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #2")
    harness.bitrise.start_running(latest(harness))
    await says(harness, post, "Sample Android #2 is running")
    await harness.disconnect()
    said = await says(
        harness, post, "This message is no longer updated: Buildbell can't see it on behalf of @anna"
    )
    assert "anna started Sample Android #2" in said
    assert "is running" not in said
    await harness.wait_for_values("SELECT COUNT(*) FROM subscriptions", 0)
    await harness.wait_for_values("SELECT COUNT(*) FROM watched_apps", 0)
    # Nobody sees it end.
    post = await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #3")
    await harness.wait_for_values("SELECT COUNT(*) FROM subscriptions", 1)
    await harness.stop_bot()
    await harness.execute("UPDATE subscriptions SET created_at = '2026-01-01T00:00:00.000000+00:00'")
    await harness.start_bot()
    await says(harness, post, "This message is no longer updated: it has not ended within 7 days")
    await harness.wait_for_values("SELECT COUNT(*) FROM watched_apps", 0)


async def test_what_was_started_is_said_and_written_down_where_it_can_not_be_followed(
    harness: BotHarness,
) -> None:
    for table in ("messages", "starts"):
        await harness.execute(
            f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")
    events = "SELECT json_extract(body, '$.event') FROM audit"
    await harness.wait_for_values(events, "begun", "done")


async def test_what_is_started_by_a_mention_is_followed_in_its_thread(harness: BotHarness) -> None:
    harness.users.invite("builds")
    asked = harness.users.say("anna", "builds", "@buildbell trigger android branch:main")
    post = await harness.wait_for_message("anna started Sample Android #1", person=None)
    assert post.thread_ts == asked.ts
    await harness.ask("/bitrise subscribe android", "subscribed")
    await end(harness, latest(harness))
    await says(harness, post, "Sample Android #1 succeeded")
    # Answers to a reply belong below what that one answers.
    told = await harness.wait_for_message("Sample Android #1 succeeded", person=None, after=post)
    assert (told.thread_ts, told.broadcast) == (asked.ts, True)
    # One whose own answer was lost is looked for there, too.
    asked = harness.users.say("anna", "builds", "@buildbell trigger android branch:main")
    post = await harness.wait_for_message("anna started Sample Android #2", person=None)
    harness.slack.fault("chat.postMessage", "answer_lost")
    await end(harness, latest(harness))
    told = await harness.wait_for_message("Sample Android #2 succeeded", person=None, after=post)
    await harness.wait_for_values("SELECT COUNT(*) FROM notifications WHERE status IN ('owed', 'sending')", 0)
    assert told.thread_ts == asked.ts
    assert len(harness.messages_with("Sample Android #2 succeeded")) == 2


async def test_a_pipeline_that_somebody_starts_is_one_message(harness: BotHarness) -> None:
    post = await harness.ask(
        "/bitrise trigger android pipeline:release-train branch:main", "with `release-train`"
    )
    pipeline = harness.bitrise.state.pipelines[0]
    first = next(iter(pipeline.builds))
    finish_workflow(harness, pipeline, first)
    await says(harness, post, f"✅ {first} succeeded")
    await harness.wait_for_values("SELECT status FROM notifications WHERE event = 'ended'", "told")
    assert len(await harness.rows("SELECT 1 FROM subscriptions")) == 1
    while going_on := [name for name, build in pipeline.builds.items() if build.result is None]:
        finish_workflow(harness, pipeline, going_on[0])
    assert "anna started" in await says(harness, post, "release-train #1 succeeded")
    assert len(harness.messages_with("release-train")) == 1
    await harness.wait_for_values("SELECT COUNT(*) FROM subscriptions", 0)
    await refreshed(harness, post, "pipeline_refresh", 1)
    await keeps_name(harness, post, "Sample Android", harness.bitrise.android.slug)


def unfinished(pipeline: Pipeline) -> Iterator[str]:
    return (name for name, build in pipeline.builds.items() if build.result is None)


def fail(harness: BotHarness, pipeline: Pipeline) -> None:
    result = "error"
    while going_on := list(unfinished(pipeline)):
        finish_workflow(harness, pipeline, going_on[0], result)
        result = "success"


async def test_the_end_of_a_started_pipeline_is_no_second_message_beside_its_own(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    await harness.ask("/bitrise subscribe android style:live", "subscribed")
    post = await harness.ask("/bitrise trigger android pipeline:release-train branch:main", "#1")
    pipeline = harness.bitrise.state.pipelines[0]
    first = next(unfinished(pipeline))
    finish_workflow(harness, pipeline, first)
    await says(harness, post, f"{first} succeeded")
    fail(harness, pipeline)
    await says(harness, post, "release-train #1 failed")
    await harness.wait_for_message("release-train #1 failed", person=None, after=post)
    await harness.wait_for_values("SELECT COUNT(*) FROM notifications WHERE status IN ('owed', 'sending')", 0)
    await harness.wait_for_values("SELECT COUNT(*) FROM subscriptions", 2)
    # Its own, and the one that those who have subscribed are notified by.
    assert len(harness.messages_with("release-train #1 failed")) == 2
    for told in harness.messages_with("release-train #1 failed"):
        await keeps_name(harness, told, "release-train #1 failed", harness.bitrise.android.slug)


async def test_a_deployment_is_one_message_that_follows_it_to_its_end(harness: BotHarness) -> None:
    await harness.connect("anna", provider=Provider.BUILDIO)
    post = await harness.ask("/buildio deploy shop branch:main", "anna deploys shop v2")
    assert "pending" not in harness.message_text(post)
    harness.buildio.finish(harness.buildio.shop)
    said = await says(harness, post, "deployment v2 succeeded")
    assert "anna deploys shop v2" in said
    assert len(harness.messages_with("shop v2")) == 1


async def test_a_run_of_which_only_the_start_is_known_is_followed_whatever_our_clock_says(
    tmp_path: Path,
) -> None:
    async with bot_harness(tmp_path, now=lambda: utc_now() + timedelta(minutes=5)) as town:
        town.bitrise.fault("GET /v0.1/apps/*/builds", "status", times=9, status=503)
        post = await town.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")
        town.bitrise.faults.clear()
        await end(town, latest(town))
        await says(town, post, "Sample Android #1 succeeded")
