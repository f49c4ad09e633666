"""What somebody starts: one message that says so and follows it to its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from bot.app import utc_now
from bot.provider import Provider
from sandbox.bitrise import Build, Pipeline
from sandbox.slack import Post
from tests.handlers.test_pipelines import run
from tests.town import Town, open_town


def latest(town: Town) -> Build:
    return town.bitrise.farm.builds[-1]


async def says(town: Town, post: Post, text: str) -> str:
    """Wait until the message says this; it is edited."""
    await town.slack.workspace.wait_for(
        lambda: text in town.words(post) or None, 30, f"{text!r} in a message that says:\n{town.words(post)}"
    )
    return town.words(post)


def buttons(post: Post) -> list[str]:
    return [
        one["text"]["text"]
        for block in post.blocks
        for one in block.get("elements", ())
        if one.get("type") == "button"
    ]


async def end(town: Town, build: Build, result: str = "success") -> None:
    town.bitrise.finish(build, result)  # type: ignore[arg-type]


async def refreshed(town: Town, post: Post, what: str, times: int) -> None:
    await town.people.click("anna", post, "Refresh")
    await town.answered(what, times)
    await town.holds("SELECT COUNT(*) FROM messages WHERE stale > 0", 0)


async def keeps_name(town: Town, post: Post, title: str, slug: str) -> None:
    """The message, and what a notification says of it, call the app by its name."""
    for said in (town.words(post), post.text):
        assert title in said, said
        assert slug not in said.replace(f"/{slug}", ""), said


async def test_a_started_build_is_one_message_that_follows_it_to_its_end(town: Town) -> None:
    post = await town.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")
    assert post.only_for is None
    assert {"Log", "Tell me", "Abort"} <= set(buttons(post))
    town.bitrise.run(latest(town))
    await says(town, post, "Sample Android #1 is running")
    await town.people.click("anna", post, "Refresh")
    await town.answered("build_refresh")
    await says(town, post, "anna started Sample Android #1")
    # Those in the channel follow one run, and no app.
    await town.ask("/bitrise subscriptions", "is told of nothing yet")
    await town.ask(
        "/bitrise why android #1", "anna started it here, so a message in this channel follows it to its end"
    )
    await end(town, latest(town), "error")
    said = await says(town, post, "Sample Android #1 failed")
    assert "anna started Sample Android #1" in said
    assert "Rebuild" in buttons(post)
    town.clock.skip(timedelta(minutes=1))
    await says(town, post, "gradle-unit-test")
    await town.holds("SELECT COUNT(*) FROM subscriptions", 0)
    # Nobody is subscribed to the app any more, whose name it still has.
    await keeps_name(town, post, "Sample Android #1 failed", latest(town).app.slug)
    await refreshed(town, post, "build_refresh", 2)
    await keeps_name(town, post, "Sample Android #1 failed", latest(town).app.slug)
    again = await town.press(post, "Rebuild", "anna started Sample Android #2")
    await end(town, latest(town))
    assert "as Sample Android #1 was" in await says(town, again, "Sample Android #2 succeeded")
    for number in ("#1", "#2"):
        assert len(town.telling(f"anna started Sample Android {number}")) == 1
    assert len(town.telling("Sample Android #2")) == 1


async def test_a_run_is_followed_over_restarts_lost_answers_and_after_its_message_is_deleted(
    town: Town,
) -> None:
    town.people.invite("builds")
    town.slack.fault("chat.postMessage", "answer_lost")
    post = await town.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")
    town.bitrise.run(latest(town))
    await says(town, post, "is running")
    assert len(town.telling("anna started Sample Android #1")) == 1
    await town.stop_bot()
    await end(town, latest(town))
    await town.start_bot()
    await says(town, post, "Sample Android #1 succeeded")
    second = await town.ask("/bitrise trigger android branch:main", "anna started Sample Android #2")
    town.bitrise.run(latest(town))
    await says(town, second, "is running")
    town.slack.workspace.remove(town.slack.workspace.channel("builds"), second)
    await end(town, latest(town))
    await town.told("anna started Sample Android #2", person=None)
    await town.told("Sample Android #2 succeeded", person=None)
    assert len(town.telling("Sample Android #2")) == 1


async def test_a_channel_that_follows_the_app_is_notified_of_the_end_in_the_thread_of_what_was_started(
    town: Town,
) -> None:
    await town.ask("/bitrise subscribe android", "subscribed")
    post = await town.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")
    town.bitrise.run(latest(town))
    await says(town, post, "is running")
    await end(town, latest(town))
    await says(town, post, "Sample Android #1 succeeded")
    told = await town.told("Sample Android #1 succeeded", person=None, after=post)
    assert (told.thread_ts, told.broadcast) == (post.ts, True)
    # A channel whose own messages are edited has one that does so already.
    await town.ask("/bitrise unsubscribe 1", "ended")
    await town.ask("/bitrise subscribe android style:live", "subscribed")
    live = await town.ask("/bitrise trigger android branch:main", "anna started Sample Android #2")
    town.bitrise.run(latest(town))
    await says(town, live, "is running")
    await end(town, latest(town), "error")
    assert "anna started" in await says(town, live, "Sample Android #2 failed")
    await town.holds("SELECT COUNT(*) FROM notifications WHERE status = 'owed'", 0)
    assert len(town.telling("Sample Android #2")) == 1


async def test_a_run_that_a_look_has_posted_before_it_is_followed_is_one_message(town: Town) -> None:
    await town.ask("/bitrise subscribe android style:live", "subscribed")
    town.slack.fault("conversations.info", "held")
    await town.people.command("anna", "builds", "/bitrise trigger android branch:main")
    await town.until(lambda: len(town.bitrise.farm.builds) > 0)
    town.bitrise.run(latest(town))
    post = await town.told("Sample Android #1 is running", person=None)
    town.slack.api.faults.clear()
    assert "Sample Android #1 is running" in await says(town, post, "anna started Sample Android #1")
    await end(town, latest(town))
    assert "anna started" in await says(town, post, "Sample Android #1 succeeded")
    await town.holds("SELECT COUNT(*) FROM notifications WHERE status IN ('owed', 'sending')", 0)
    await town.holds("SELECT COUNT(*) FROM messages WHERE status <> 'told' OR stale > 0", 0)
    assert len(town.telling("Sample Android #1")) == 1


async def test_where_the_bot_can_not_write_a_run_is_followed_in_a_direct_message(town: Town) -> None:
    answer = await town.ask("/bitrise trigger android branch:main", "anna started", channel="release")
    assert answer.only_for is None
    post = await town.told("anna started Sample Android #1", channel="D0ANNA")
    await end(town, latest(town))
    await says(town, post, "Sample Android #1 succeeded")
    assert "succeeded" not in town.words(answer)
    # Slack says so only when it is asked to post: what was to follow it goes the same way.
    town.slack.fault("conversations.info", "error", words="internal_error")
    await town.people.command("anna", "release", "/bitrise trigger android branch:develop")
    other = await town.told("anna started Sample Android #2", channel="D0ANNA")
    await end(town, latest(town))
    await says(town, other, "Sample Android #2 succeeded")
    direct = await town.ask("/bitrise trigger android branch:main", "#3", channel="D0ANNA")
    await end(town, latest(town))
    await says(town, direct, "Sample Android #3 succeeded")


async def test_a_run_that_can_not_be_followed_where_it_was_started_does_not_seem_to_run_for_ever(
    town: Town,
) -> None:
    # The bot is removed from a private channel: its message can't be edited any more.
    town.people.invite("release")
    post = await town.ask("/bitrise trigger android branch:main", "anna started", channel="release")
    town.bitrise.run(latest(town))
    await says(town, post, "Sample Android #1 is running")
    town.slack.workspace.leave(town.slack.workspace.channel("release"), town.slack.workspace.bot_user)
    await end(town, latest(town))
    direct = await town.told("Sample Android #1 succeeded", channel="D0ANNA")
    assert "anna started Sample Android #1" in town.words(direct)
    await town.holds("SELECT COUNT(*) FROM subscriptions", 0)
    # Nobody can say any more what the one who started it may see.
    await town.connect("anna")
    post = await town.ask("/bitrise trigger android branch:main", "anna started Sample Android #2")
    town.bitrise.run(latest(town))
    await says(town, post, "Sample Android #2 is running")
    await town.disconnect()
    said = await says(
        town, post, "This message is no longer updated: Buildbell can't see it on behalf of @anna"
    )
    assert "anna started Sample Android #2" in said
    assert "is running" not in said
    await town.holds("SELECT COUNT(*) FROM subscriptions", 0)
    await town.holds("SELECT COUNT(*) FROM watched_apps", 0)
    # Nobody sees it end.
    post = await town.ask("/bitrise trigger android branch:main", "anna started Sample Android #3")
    await town.holds("SELECT COUNT(*) FROM subscriptions", 1)
    await town.stop_bot()
    await town.execute("UPDATE subscriptions SET created_at = '2026-01-01T00:00:00.000000+00:00'")
    await town.start_bot()
    await says(town, post, "This message is no longer updated: it has not ended within 7 days")
    await town.holds("SELECT COUNT(*) FROM watched_apps", 0)


async def test_what_was_started_is_said_and_written_down_where_it_can_not_be_followed(town: Town) -> None:
    for table in ("messages", "starts"):
        await town.execute(
            f"CREATE TRIGGER no_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    await town.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")
    events = "SELECT json_extract(body, '$.event') FROM audit"
    await town.holds(events, "begun", "done")


async def test_what_is_started_by_a_mention_is_followed_in_its_thread(town: Town) -> None:
    town.people.invite("builds")
    asked = town.people.say("anna", "builds", "@buildbell trigger android branch:main")
    post = await town.told("anna started Sample Android #1", person=None)
    assert post.thread_ts == asked.ts
    await town.ask("/bitrise subscribe android", "subscribed")
    await end(town, latest(town))
    await says(town, post, "Sample Android #1 succeeded")
    # Answers to a reply belong below what that one answers.
    told = await town.told("Sample Android #1 succeeded", person=None, after=post)
    assert (told.thread_ts, told.broadcast) == (asked.ts, True)
    # One whose own answer was lost is looked for there, too.
    asked = town.people.say("anna", "builds", "@buildbell trigger android branch:main")
    post = await town.told("anna started Sample Android #2", person=None)
    town.slack.fault("chat.postMessage", "answer_lost")
    await end(town, latest(town))
    told = await town.told("Sample Android #2 succeeded", person=None, after=post)
    await town.holds("SELECT COUNT(*) FROM notifications WHERE status IN ('owed', 'sending')", 0)
    assert told.thread_ts == asked.ts
    assert len(town.telling("Sample Android #2 succeeded")) == 2


async def test_a_pipeline_that_somebody_starts_is_one_message(town: Town) -> None:
    post = await town.ask(
        "/bitrise trigger android pipeline:release-train branch:main", "with `release-train`"
    )
    pipeline = town.bitrise.farm.pipelines[0]
    first = next(iter(pipeline.builds))
    run(town, pipeline, first)
    await says(town, post, f"✅ {first} succeeded")
    await town.holds("SELECT status FROM notifications WHERE event = 'ended'", "told")
    await town.ask(f"/bitrise why android #{pipeline.builds[first].number}", "anna started it here")
    assert len(await town.rows("SELECT 1 FROM subscriptions")) == 1
    while going_on := [name for name, build in pipeline.builds.items() if build.result is None]:
        run(town, pipeline, going_on[0])
    assert "anna started" in await says(town, post, "release-train #1 succeeded")
    assert len(town.telling("release-train")) == 1
    await town.holds("SELECT COUNT(*) FROM subscriptions", 0)
    await refreshed(town, post, "pipeline_refresh", 1)
    await keeps_name(town, post, "Sample Android", town.bitrise.android.slug)


def unfinished(pipeline: Pipeline) -> Iterator[str]:
    return (name for name, build in pipeline.builds.items() if build.result is None)


def fail(town: Town, pipeline: Pipeline) -> None:
    result = "error"
    while going_on := list(unfinished(pipeline)):
        run(town, pipeline, going_on[0], result)
        result = "success"


async def test_the_end_of_a_started_pipeline_is_no_second_message_beside_its_own(town: Town) -> None:
    await town.ask("/bitrise subscribe android", "subscribed")
    await town.ask("/bitrise subscribe android style:live", "subscribed")
    post = await town.ask("/bitrise trigger android pipeline:release-train branch:main", "#1")
    pipeline = town.bitrise.farm.pipelines[0]
    first = next(unfinished(pipeline))
    run(town, pipeline, first)
    await says(town, post, f"{first} succeeded")
    fail(town, pipeline)
    await says(town, post, "release-train #1 failed")
    await town.told("release-train #1 failed", person=None, after=post)
    await town.holds("SELECT COUNT(*) FROM notifications WHERE status IN ('owed', 'sending')", 0)
    await town.holds("SELECT COUNT(*) FROM subscriptions", 2)
    # Its own, and the one that those who have subscribed are notified by.
    assert len(town.telling("release-train #1 failed")) == 2
    for told in town.telling("release-train #1 failed"):
        await keeps_name(town, told, "release-train #1 failed", town.bitrise.android.slug)


async def test_a_deployment_is_one_message_that_follows_it_to_its_end(town: Town) -> None:
    await town.connect("anna", provider=Provider.BUILDIO)
    post = await town.ask("/buildio deploy shop branch:main", "anna deploys shop v2")
    assert "pending" not in town.words(post)
    town.buildio.finish(town.buildio.shop)
    said = await says(town, post, "deployment v2 succeeded")
    assert "anna deploys shop v2" in said
    assert len(town.telling("shop v2")) == 1


async def test_a_run_of_which_only_the_start_is_known_is_followed_whatever_our_clock_says(
    tmp_path: Path,
) -> None:
    async with open_town(tmp_path, now=lambda: utc_now() + timedelta(minutes=5)) as town:
        town.bitrise.fault("GET /v0.1/apps/*/builds", "status", times=9, status=503)
        post = await town.ask("/bitrise trigger android branch:main", "anna started Sample Android #1")
        town.bitrise.faults.clear()
        await end(town, latest(town))
        await says(town, post, "Sample Android #1 succeeded")
