"""How subscriptions are told: live messages, cards, threads, and what waits for its time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sandbox.bitrise.state import Build
from sandbox.slack.models import Post
from tests.support.bot_harness import BotHarness


def build(harness: BotHarness, result: Any = None, *, branch: str = "main", **more: Any) -> Build:
    """A build of Android on the branch that has ended, or runs."""
    params = {"branch": branch, "commit_hash": "0123456789abcdef", "commit_message": "Fix the login"}
    params |= more.pop("params", {})
    made = harness.bitrise.start_build(harness.bitrise.android, params=params, ends_as=None, **more)
    if result is not None:
        harness.bitrise.finish(made, result)
    return made


async def until(harness: BotHarness, post: Post, text: str) -> str:
    """Wait until the message says this; it is edited."""
    await harness.slack.workspace.wait_for(
        lambda: text in harness.message_text(post) or None,
        15,
        f"{text!r} in a message that says:\n{harness.message_text(post)}",
    )
    return harness.message_text(post)


async def test_a_live_message_is_edited_from_start_to_end(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android style:live", "edited from its start to its end")
    running = build(harness)
    post = await harness.wait_for_message("Sample Android #1 is on hold", person=None)
    harness.bitrise.start_running(running)
    await until(harness, post, "is running")
    harness.bitrise.finish(running, "error")
    await until(harness, post, "Sample Android #1 failed")
    assert len(harness.messages_with("Sample Android #1")) == 1


async def test_a_live_message_that_somebody_deleted_is_posted_anew(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android style:live", "subscribed")
    running = build(harness)
    post = await harness.wait_for_message("Sample Android #1 is on hold", person=None)
    channel = harness.slack.workspace.find_channel("builds")
    harness.slack.workspace.remove(channel, post)
    harness.bitrise.finish(running)
    await harness.wait_for_message("Sample Android #1 succeeded", person=None)
    assert len(harness.messages_with("Sample Android #1")) == 1


async def test_a_broken_series_is_one_card_until_it_is_green_again(harness: BotHarness) -> None:
    build(harness, "success")
    await harness.ask("/bitrise subscribe android style:card", "one card a broken series")
    build(harness, "success")
    build(harness, "error")
    card = await harness.wait_for_message(
        "Sample Android on `main`, workflow `primary` is broken", person=None
    )
    said = harness.message_text(card)
    assert "Broke with #3 01234567 Fix the login" in said
    assert "was green at #2" in said
    assert "[I'm on it] [Snooze 4 hours] [Rebuild]" in said
    build(harness, "error")
    await until(harness, card, "2 builds have failed in a row")
    await harness.users.click("ben", card, "I'm on it")
    said = await until(harness, card, "@ben is on it")
    assert "[I'm on it]" not in said
    await harness.users.click("anna", card, "Take over")
    await until(harness, card, "@anna is on it")
    await harness.users.click("ben", card, "Unassign")
    assert "is on it" not in await until(harness, card, "[I'm on it]")
    await harness.users.click("ben", card, "I'm on it")
    await until(harness, card, "@ben is on it")
    build(harness, "error", branch="develop")
    await harness.wait_for_message("Sample Android on `develop`, workflow `primary` is broken", person=None)
    build(harness, "success")
    said = await until(harness, card, "is green again after")
    assert "Fixed by #6" in said
    assert "2 builds failed before" in said
    assert "@ben was on it" in said
    assert len(harness.messages_with("on `main`, workflow")) == 1
    assert not harness.messages_with("#2 succeeded")


async def test_a_snoozed_card_stays_as_it_is_until_it_is_fixed(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android style:card", "subscribed")
    build(harness, "error")
    card = await harness.wait_for_message("is broken", person=None)
    await harness.users.click("ben", card, "Snooze 4 hours")
    said = await until(harness, card, "💤 Snoozed until")
    assert "More failures don't update this card before then; a fix does" in said
    assert "[Snooze 4 hours]" not in said
    build(harness, "error")
    build(harness, "error", branch="develop")
    await harness.wait_for_message("on `develop`", person=None)
    assert "one build has failed".capitalize() in harness.message_text(card)
    await harness.users.click("anna", card, "End snooze")
    said = await until(harness, card, "2 builds have failed in a row")
    assert "Snoozed" not in said
    await harness.users.click("ben", card, "Snooze 4 hours")
    await until(harness, card, "[End snooze]")
    build(harness, "success")
    assert "2 builds failed before" in await until(harness, card, "is green again")


async def test_a_thread_gathers_a_branch_and_its_head_shows_the_last_result(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android style:thread", "one thread a branch or pull request")
    build(harness, "error")
    head = await harness.wait_for_message("🧵 Sample Android: branch `main`", person=None)
    build(harness, "success", branch="x", params={"pull_request_id": 7, "branch_dest": "main"})
    other = await harness.wait_for_message("🧵 Sample Android: pull request #7", person=None)
    reply = await harness.wait_for_message("Sample Android #2 succeeded", person=None, after=other)
    assert reply.thread_ts == other.ts
    assert not reply.broadcast
    build(harness, "success")
    await until(harness, head, "#3 succeeded")
    replies = [post for post in harness.slack.posts("builds") if post.thread_ts == head.ts]
    assert [
        "#1 failed" in harness.message_text(replies[0]),
        "#3 succeeded" in harness.message_text(replies[1]),
    ] == [True, True]


async def test_a_threads_replies_are_shown_in_the_channel_where_that_is_asked_for(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android style:thread broadcast:yes", "shown in the channel too")
    build(harness, "success")
    head = await harness.wait_for_message("🧵", person=None)
    reply = await harness.wait_for_message("Sample Android #1 succeeded", person=None, after=head)
    assert (reply.thread_ts, reply.broadcast) == (head.ts, True)


async def test_a_threads_head_that_somebody_deleted_is_posted_anew(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android style:thread", "subscribed")
    build(harness, "success")
    head = await harness.wait_for_message("🧵", person=None)
    await harness.wait_for_message("#1 succeeded", person=None, after=head)
    harness.slack.workspace.remove(harness.slack.workspace.find_channel("builds"), head)
    build(harness, "error")
    new = await harness.wait_for_message("🧵", person=None)
    reply = await harness.wait_for_message("Sample Android #2 failed", person=None, after=new)
    assert reply.thread_ts == new.ts


async def test_many_apps_that_fail_at_once_look_like_an_outage(harness: BotHarness) -> None:
    apps = [harness.bitrise.state.add_app(f"Service {number}", "acme", f"s{number}") for number in range(7)]
    for app in apps:
        await harness.ask(f'/bitrise subscribe "{app.title}"', "subscribed")
    for app in apps:
        harness.bitrise.finish(harness.bitrise.start_build(app), "error")
    card = await harness.wait_for_message("Looks like an outage", person=None)
    last = harness.bitrise.start_build(apps[0])
    harness.bitrise.finish(last, "error")
    await until(harness, card, "Service 0 #2 failed")

    def counts() -> list[int]:
        shown = "\n".join(map(harness.message_text, harness.slack.posts("builds")))
        return [shown.count(f"{app.title} #1 failed") for app in apps]

    await harness.slack.workspace.wait_for(lambda: all(counts()) or None, 15, "all seven failures")
    assert counts() == [1] * 7


async def test_the_last_lines_that_matter_complete_the_message_once_the_log_is_there(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    failed = build(harness)
    harness.bitrise.start_running(failed)
    harness.clock.skip(timedelta(minutes=2))
    harness.bitrise.finish(failed, "error")
    post = await harness.wait_for_message("Sample Android #1 failed", person=None)
    assert "Failed in" not in harness.message_text(post)
    harness.clock.skip(timedelta(minutes=1))
    said = await until(harness, post, "Failed in `gradle-unit-test@1.0.7` (exit code 1)")
    assert "LoginTest > rejects an empty password FAILED" in said
    assert "118 tests completed, 1 failed" in said
    assert len(harness.messages_with("#1 failed")) == 1
    edits = len([one for one in harness.slack.request_log.entries if one.title == "chat.update"])
    await harness.users.click("anna", post, "Refresh")
    await harness.slack.workspace.wait_for(
        lambda: (
            len([one for one in harness.slack.request_log.entries if one.title == "chat.update"]) > edits
            or None
        ),
        5,
        "another edit",
    )
    assert "Failed in" in harness.message_text(post)


async def test_a_log_that_may_not_be_read_leaves_the_message_as_it_is(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.bitrise.fault("GET */log", "status", status=403, times=50)
    failed = build(harness, "error")
    post = await harness.wait_for_message("#1 failed", person=None)
    await harness.slack.workspace.wait_for(
        lambda: any(one.path.endswith(f"{failed.slug}/log") for one in harness.bitrise.requests) or None,
        5,
        "a try",
    )
    assert "Failed in" not in harness.message_text(post)


async def test_a_log_that_could_not_be_read_at_first_is_read_later(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.bitrise.fault("GET */log", "status", status=401)
    failed = build(harness)
    harness.bitrise.start_running(failed)
    harness.bitrise.finish(failed, "error")
    harness.clock.skip(timedelta(minutes=1))
    post = await harness.wait_for_message("Sample Android #1 failed", person=None)
    await until(harness, post, "Failed in `gradle-unit-test@1.0.7`")
