"""Started runs: one message announces the start and is updated until the run ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from bot.app import utc_now
from providers.buildio.provider import BUILDIO
from sandbox.bitrise.state import Build, Pipeline
from sandbox.slack.models import Post
from tests.providers.bitrise.test_pipelines import finish_workflow
from tests.support.bot_harness import BotHarness, bot_harness
from tests.support.schema import connect_directly, refuse_inserts


def latest_build(harness: BotHarness) -> Build:
    return harness.bitrise.state.builds[-1]


async def wait_for_text(harness: BotHarness, post: Post, text: str) -> str:
    """Wait until the message has been updated to this text."""
    await harness.slack.workspace.wait_for(
        lambda: text in harness.message_text(post) or None,
        30,
        f"{text!r} in a message that says:\n{harness.message_text(post)}",
    )
    return harness.message_text(post)


def button_labels(post: Post) -> list[str]:
    return [
        element["text"]["text"]
        for block in post.blocks
        for element in block.get("elements", ())
        if element.get("type") == "button"
    ]


async def finish(harness: BotHarness, build: Build, result: str = "success") -> None:
    harness.bitrise.finish(build, result)  # type: ignore[arg-type]


async def press_refresh(harness: BotHarness, post: Post, what: str, times: int) -> None:
    await harness.users.click("anna", post, "Refresh")
    await harness.wait_for_commands(what, times)
    await harness.wait_for_values("SELECT COUNT(*) FROM messages WHERE stale > 0", 0)


async def assert_shows_title(harness: BotHarness, post: Post, title: str, slug: str) -> None:
    """Assert that the message and its notification text name the app by its title."""
    for text in (harness.message_text(post), post.text):
        assert title in text, text
        assert slug not in text.replace(f"/{slug}", ""), text


async def test_a_started_build_is_one_message_that_follows_it_to_its_end(harness: BotHarness) -> None:
    post = await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")
    assert post.only_for is None
    assert {"View log", "Notify me", "Abort…"} <= set(button_labels(post))
    harness.bitrise.start_running(latest_build(harness))
    await wait_for_text(harness, post, "Sample Android #1 is running")
    await harness.users.click("anna", post, "Refresh")
    await harness.wait_for_commands("build_refresh")
    await wait_for_text(harness, post, "anna started Sample Android #1")
    # The channel follows the run and does not subscribe to the app.
    await harness.ask("/bitrise subscriptions", "No subscriptions here yet")
    await harness.ask(
        "/bitrise why android #1", "anna started it here, so its message in this channel shows the result"
    )
    await finish(harness, latest_build(harness), "error")
    text = await wait_for_text(harness, post, "Sample Android #1 failed")
    assert "anna started Sample Android #1" in text
    assert "Rebuild" in button_labels(post)
    harness.clock.skip(timedelta(minutes=1))
    await wait_for_text(harness, post, "gradle-unit-test")
    await harness.wait_for_values("SELECT COUNT(*) FROM subscriptions", 0)
    # The app has no subscriptions any more, but the message still has its title.
    await assert_shows_title(harness, post, "Sample Android #1 failed", latest_build(harness).app.slug)
    await press_refresh(harness, post, "build_refresh", 2)
    await assert_shows_title(harness, post, "Sample Android #1 failed", latest_build(harness).app.slug)
    again = await harness.press(post, "Rebuild", "anna started Sample Android #2")
    await finish(harness, latest_build(harness))
    assert "a rebuild of Sample Android #1" in await wait_for_text(harness, again, "Sample Android #2 passed")
    for number in ("#1", "#2"):
        assert len(harness.messages_with(f"anna started Sample Android {number}")) == 1
    assert len(harness.messages_with("Sample Android #2")) == 1


async def test_a_run_is_followed_after_a_restart_a_lost_response_and_a_deleted_message(
    harness: BotHarness,
) -> None:
    harness.users.invite("builds")
    harness.slack.fault("chat.postMessage", "answer_lost")
    post = await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")
    harness.bitrise.start_running(latest_build(harness))
    await wait_for_text(harness, post, "is running")
    assert len(harness.messages_with("anna started Sample Android #1")) == 1
    await harness.stop_bot()
    await finish(harness, latest_build(harness))
    await harness.start_bot()
    await wait_for_text(harness, post, "Sample Android #1 passed")
    second = await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #2")
    harness.bitrise.start_running(latest_build(harness))
    await wait_for_text(harness, second, "is running")
    harness.slack.workspace.remove(harness.slack.workspace.find_channel("builds"), second)
    await finish(harness, latest_build(harness))
    await harness.wait_for_message("anna started Sample Android #2", person=None)
    await harness.wait_for_message("Sample Android #2 passed", person=None)
    assert len(harness.messages_with("Sample Android #2")) == 1


async def test_a_subscribed_channel_is_notified_in_the_thread_of_the_started_build(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    post = await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")
    harness.bitrise.start_running(latest_build(harness))
    await wait_for_text(harness, post, "is running")
    await finish(harness, latest_build(harness))
    await wait_for_text(harness, post, "Sample Android #1 passed")
    notification = await harness.wait_for_message("Sample Android #1 passed", person=None, after=post)
    assert (notification.thread_ts, notification.broadcast) == (post.ts, True)
    # A channel with live messages already has one that is updated.
    await harness.ask("/bitrise unsubscribe 1", "removed a subscription")
    await harness.ask("/bitrise subscribe android style:live", "subscribed")
    live = await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #2")
    harness.bitrise.start_running(latest_build(harness))
    await wait_for_text(harness, live, "is running")
    await finish(harness, latest_build(harness), "error")
    assert "anna started" in await wait_for_text(harness, live, "Sample Android #2 failed")
    await harness.wait_for_values("SELECT COUNT(*) FROM notifications WHERE status = 'owed'", 0)
    assert len(harness.messages_with("Sample Android #2")) == 1


async def test_a_run_that_a_poll_posts_before_it_is_followed_is_one_message(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android style:live", "subscribed")
    harness.slack.fault("conversations.info", "held")
    await harness.users.command("anna", "builds", "/bitrise trigger android branch:main")
    await harness.wait_until(lambda: len(harness.bitrise.state.builds) > 0)
    harness.bitrise.start_running(latest_build(harness))
    post = await harness.wait_for_message("Sample Android #1 is running", person=None)
    harness.slack.api.faults.clear()
    assert "Sample Android #1 is running" in await wait_for_text(
        harness, post, "anna started Sample Android #1"
    )
    await finish(harness, latest_build(harness))
    assert "anna started" in await wait_for_text(harness, post, "Sample Android #1 passed")
    await harness.wait_for_values("SELECT COUNT(*) FROM notifications WHERE status IN ('owed', 'sending')", 0)
    await harness.wait_for_values("SELECT COUNT(*) FROM messages WHERE status <> 'told' OR stale > 0", 0)
    assert len(harness.messages_with("Sample Android #1")) == 1


async def test_a_run_is_followed_in_a_direct_message_if_the_bot_can_not_post(harness: BotHarness) -> None:
    answer = await harness.ask("/bitrise trigger android branch:main", "anna started", channel="release")
    assert answer.only_for is None
    post = await harness.wait_for_message("anna started Sample Android #1", channel="D0ANNA")
    await finish(harness, latest_build(harness))
    await wait_for_text(harness, post, "Sample Android #1 passed")
    assert "passed" not in harness.message_text(answer)
    # Slack refuses only the post itself: the followed message then goes to the direct message too.
    harness.slack.fault("conversations.info", "error", words="internal_error")
    await harness.users.command("anna", "release", "/bitrise trigger android branch:develop")
    other = await harness.wait_for_message("anna started Sample Android #2", channel="D0ANNA")
    await finish(harness, latest_build(harness))
    await wait_for_text(harness, other, "Sample Android #2 passed")
    direct = await harness.ask("/bitrise trigger android branch:main", "#3", channel="D0ANNA")
    await finish(harness, latest_build(harness))
    await wait_for_text(harness, direct, "Sample Android #3 passed")


async def test_the_message_of_a_run_that_can_not_be_followed_does_not_stay_running(
    harness: BotHarness,
) -> None:
    # The bot is removed from a private channel: its message can't be updated any more.
    harness.users.invite("release")
    post = await harness.ask("/bitrise trigger android branch:main", "anna started", channel="release")
    harness.bitrise.start_running(latest_build(harness))
    await wait_for_text(harness, post, "Sample Android #1 is running")
    harness.slack.workspace.leave(
        harness.slack.workspace.find_channel("release"), harness.slack.workspace.bot_user
    )
    await finish(harness, latest_build(harness))
    direct = await harness.wait_for_message("Sample Android #1 passed", channel="D0ANNA")
    assert "anna started Sample Android #1" in harness.message_text(direct)
    await harness.wait_for_values("SELECT COUNT(*) FROM subscriptions", 0)
    # The access of the user who started it can't be checked any more.
    await harness.connect("anna")
    post = await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #2")
    harness.bitrise.start_running(latest_build(harness))
    await wait_for_text(harness, post, "Sample Android #2 is running")
    await harness.disconnect()
    text = await wait_for_text(
        harness, post, "This message is no longer updated: Buildbell can no longer see it for @anna"
    )
    assert "anna started Sample Android #2" in text
    assert "is running" not in text
    await harness.wait_for_values("SELECT COUNT(*) FROM subscriptions", 0)
    await harness.wait_for_values("SELECT COUNT(*) FROM watched_apps", 0)
    # The bot never sees its end.
    post = await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #3")
    await harness.wait_for_values("SELECT COUNT(*) FROM subscriptions", 1)
    await harness.stop_bot()
    await harness.execute("UPDATE subscriptions SET created_at = '2026-01-01T00:00:00.000000+00:00'")
    await harness.start_bot()
    await wait_for_text(harness, post, "This message is no longer updated: it didn't finish within 7 days")
    await harness.wait_for_values("SELECT COUNT(*) FROM watched_apps", 0)


async def test_a_start_is_announced_and_audited_although_it_can_not_be_followed(
    harness: BotHarness,
) -> None:
    for table in ("messages", "starts"):
        with connect_directly(harness.database_url) as connection:
            refuse_inserts(connection, table)
    await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")
    await harness.wait_for_values("SELECT COUNT(*) FROM audit", 2)
    assert [entry["event"] for entry in await harness.audit_entries()] == ["begun", "done"]


async def test_a_build_started_by_a_mention_is_followed_in_its_thread(harness: BotHarness) -> None:
    harness.users.invite("builds")
    mention = harness.users.say("anna", "builds", "@buildbell trigger android branch:main")
    post = await harness.wait_for_message("anna started Sample Android #1", person=None)
    assert post.thread_ts == mention.ts
    await harness.ask("/bitrise subscribe android", "subscribed")
    await finish(harness, latest_build(harness))
    await wait_for_text(harness, post, "Sample Android #1 passed")
    # The notification goes to the thread that the message is in.
    notification = await harness.wait_for_message("Sample Android #1 passed", person=None, after=post)
    assert (notification.thread_ts, notification.broadcast) == (mention.ts, True)
    # A notification whose response was lost is searched in the thread too.
    mention = harness.users.say("anna", "builds", "@buildbell trigger android branch:main")
    post = await harness.wait_for_message("anna started Sample Android #2", person=None)
    harness.slack.fault("chat.postMessage", "answer_lost")
    await finish(harness, latest_build(harness))
    notification = await harness.wait_for_message("Sample Android #2 passed", person=None, after=post)
    await harness.wait_for_values("SELECT COUNT(*) FROM notifications WHERE status IN ('owed', 'sending')", 0)
    assert notification.thread_ts == mention.ts
    assert len(harness.messages_with("Sample Android #2 passed")) == 2


async def test_a_started_pipeline_is_one_message(harness: BotHarness) -> None:
    post = await harness.ask(
        "/bitrise trigger android pipeline:release-train branch:main", "with `release-train`"
    )
    pipeline = harness.bitrise.state.pipelines[0]
    first = next(iter(pipeline.builds))
    finish_workflow(harness, pipeline, first)
    await wait_for_text(harness, post, f"✅ {first} passed")
    await harness.wait_for_values("SELECT status FROM notifications WHERE event = 'ended'", "told")
    await harness.ask(f"/bitrise why android #{pipeline.builds[first].number}", "anna started it here")
    assert len(await harness.rows("SELECT 1 FROM subscriptions")) == 1
    while unfinished_builds := [name for name, build in pipeline.builds.items() if build.result is None]:
        finish_workflow(harness, pipeline, unfinished_builds[0])
    assert "anna started" in await wait_for_text(harness, post, "release-train #1 passed")
    assert len(harness.messages_with("release-train")) == 1
    await harness.wait_for_values("SELECT COUNT(*) FROM subscriptions", 0)
    await press_refresh(harness, post, "pipeline_refresh", 1)
    await assert_shows_title(harness, post, "Sample Android", harness.bitrise.android.slug)


def unfinished_names(pipeline: Pipeline) -> Iterator[str]:
    return (name for name, build in pipeline.builds.items() if build.result is None)


def run_with_failure(harness: BotHarness, pipeline: Pipeline) -> None:
    result = "error"
    while unfinished_builds := list(unfinished_names(pipeline)):
        finish_workflow(harness, pipeline, unfinished_builds[0], result)
        result = "success"


async def test_a_started_pipeline_is_notified_once_to_each_subscription(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    await harness.ask("/bitrise subscribe android style:live", "subscribed")
    post = await harness.ask("/bitrise trigger android pipeline:release-train branch:main", "#1")
    pipeline = harness.bitrise.state.pipelines[0]
    first = next(unfinished_names(pipeline))
    finish_workflow(harness, pipeline, first)
    await wait_for_text(harness, post, f"{first} passed")
    run_with_failure(harness, pipeline)
    await wait_for_text(harness, post, "release-train #1 failed")
    await harness.wait_for_message("release-train #1 failed", person=None, after=post)
    await harness.wait_for_values("SELECT COUNT(*) FROM notifications WHERE status IN ('owed', 'sending')", 0)
    await harness.wait_for_values("SELECT COUNT(*) FROM subscriptions", 2)
    # The live message, and the notification of the other subscription.
    assert len(harness.messages_with("release-train #1 failed")) == 2
    for notification in harness.messages_with("release-train #1 failed"):
        await assert_shows_title(
            harness, notification, "release-train #1 failed", harness.bitrise.android.slug
        )


async def test_a_deployment_is_one_message_that_follows_it_to_its_end(harness: BotHarness) -> None:
    await harness.connect("anna", provider=BUILDIO)
    post = await harness.ask("/buildio deploy shop branch:main", "anna started deploying shop v2")
    assert "pending" not in harness.message_text(post)
    harness.buildio.finish(harness.buildio.shop)
    text = await wait_for_text(harness, post, "deployment v2 succeeded")
    assert "anna started deploying shop v2" in text
    assert len(harness.messages_with("shop v2")) == 1


async def test_a_run_without_a_listed_build_is_followed_despite_clock_skew(
    tmp_path: Path,
) -> None:
    async with bot_harness(tmp_path, now=lambda: utc_now() + timedelta(minutes=5)) as harness:
        harness.bitrise.fault("GET /v0.1/apps/*/builds", "status", times=9, status=503)
        post = await harness.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")
        harness.bitrise.faults.clear()
        await finish(harness, latest_build(harness))
        await wait_for_text(harness, post, "Sample Android #1 passed")
