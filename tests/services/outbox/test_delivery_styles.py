"""The delivery styles of subscriptions: live messages, cards, threads and outage messages."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from sandbox.bitrise.state import Build
from sandbox.slack.models import Post
from tests.support.bot_harness import BotHarness


def start_build(harness: BotHarness, result: Any = None, *, branch: str = "main", **more: Any) -> Build:
    """Start a build of Android on the branch, and finish it if there is a result."""
    params = {"branch": branch, "commit_hash": "0123456789abcdef", "commit_message": "Fix the login"}
    params |= more.pop("params", {})
    build = harness.bitrise.start_build(harness.bitrise.android, params=params, ends_as=None, **more)
    if result is not None:
        harness.bitrise.finish(build, result)
    return build


async def wait_for_text(harness: BotHarness, post: Post, text: str) -> str:
    """Wait until the message is edited to contain this text; return the whole text."""
    await harness.slack.workspace.wait_for(
        lambda: text in harness.message_text(post) or None,
        30,
        f"{text!r} in a message that says:\n{harness.message_text(post)}",
    )
    return harness.message_text(post)


async def test_a_live_message_is_edited_from_start_to_end(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android style:live", "updated live")
    running = start_build(harness)
    post = await harness.wait_for_message("Sample Android #1 is on hold", person=None)
    harness.bitrise.start_running(running)
    await wait_for_text(harness, post, "is running")
    harness.bitrise.finish(running, "error")
    await wait_for_text(harness, post, "Sample Android #1 failed")
    assert len(harness.messages_with("Sample Android #1")) == 1


async def test_a_live_message_that_a_user_deleted_is_posted_again(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android style:live", "subscribed")
    running = start_build(harness)
    post = await harness.wait_for_message("Sample Android #1 is on hold", person=None)
    channel = harness.slack.workspace.find_channel("builds")
    harness.slack.workspace.remove(channel, post)
    harness.bitrise.finish(running)
    await harness.wait_for_message("Sample Android #1 passed", person=None)
    assert len(harness.messages_with("Sample Android #1")) == 1


async def test_a_failure_streak_is_one_card_until_it_is_green_again(harness: BotHarness) -> None:
    start_build(harness, "success")
    await harness.ask("/bitrise subscribe android style:card", "one card per failure streak")
    start_build(harness, "success")
    start_build(harness, "error")
    card = await harness.wait_for_message(
        "Sample Android on `main`, workflow `primary` is failing", person=None
    )
    text = harness.message_text(card)
    assert "First failure: #3 01234567 “Fix the login”" in text
    assert "last passed before it: #2" in text
    assert "[I'm on it] [Snooze 4 hours] [Rebuild]" in text
    start_build(harness, "error")
    await wait_for_text(harness, card, "2 builds failed in a row")
    await harness.users.click("ben", card, "I'm on it")
    text = await wait_for_text(harness, card, "@ben is on it")
    assert "[I'm on it]" not in text
    await harness.users.click("anna", card, "Take over")
    await wait_for_text(harness, card, "@anna is on it")
    await harness.users.click("ben", card, "Unassign")
    assert "is on it" not in await wait_for_text(harness, card, "[I'm on it]")
    await harness.users.click("ben", card, "I'm on it")
    await wait_for_text(harness, card, "@ben is on it")
    start_build(harness, "error", branch="develop")
    await harness.wait_for_message("Sample Android on `develop`, workflow `primary` is failing", person=None)
    start_build(harness, "success")
    text = await wait_for_text(harness, card, "is fixed after")
    assert "Fixed by #6" in text
    assert "after 2 failed builds" in text
    assert "@ben was on it" in text
    assert len(harness.messages_with("on `main`, workflow")) == 1
    assert not harness.messages_with("#2 passed")


async def test_a_snoozed_card_is_not_updated_until_the_build_is_fixed(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android style:card", "subscribed")
    start_build(harness, "error")
    card = await harness.wait_for_message("is failing", person=None)
    await harness.users.click("ben", card, "Snooze 4 hours")
    text = await wait_for_text(harness, card, "💤 Snoozed until")
    assert "More failures don't update this card before then; a fix does" in text
    assert "[Snooze 4 hours]" not in text
    start_build(harness, "error")
    start_build(harness, "error", branch="develop")
    await harness.wait_for_message("on `develop`", person=None)
    assert "1 build failed" in harness.message_text(card)
    await harness.users.click("anna", card, "End snooze")
    text = await wait_for_text(harness, card, "2 builds failed in a row")
    assert "Snoozed" not in text
    await harness.users.click("ben", card, "Snooze 4 hours")
    await wait_for_text(harness, card, "[End snooze]")
    start_build(harness, "success")
    assert "after 2 failed builds" in await wait_for_text(harness, card, "is fixed")


async def test_buttons_of_a_card_that_are_pressed_at_the_same_time_all_count(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android style:card", "subscribed")
    start_build(harness, "error")
    card = await harness.wait_for_message("is failing", person=None)
    for _ in range(3):
        await asyncio.gather(
            harness.users.click("ben", card, "I'm on it"), harness.users.click("anna", card, "Snooze 4 hours")
        )
        await wait_for_text(harness, card, "[Take over] [Unassign] [End snooze]")
        await asyncio.gather(
            harness.users.click("ben", card, "Unassign"), harness.users.click("anna", card, "End snooze")
        )
        await wait_for_text(harness, card, "[I'm on it] [Snooze 4 hours]")


async def test_a_button_of_a_card_works_before_slack_has_answered_the_post(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android style:card", "subscribed")
    harness.slack.fault("chat.postMessage", "answer_lost")
    start_build(harness, "error")
    card = await harness.wait_for_message("is failing", person=None)
    await harness.users.click("ben", card, "I'm on it")
    await wait_for_text(harness, card, "[Take over] [Unassign]")


async def test_a_branch_has_one_thread_whose_head_shows_the_last_result(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android style:thread", "one thread per branch or pull request")
    start_build(harness, "error")
    head = await harness.wait_for_message("🧵 Sample Android: branch `main`", person=None)
    start_build(harness, "success", branch="x", params={"pull_request_id": 7, "branch_dest": "main"})
    other = await harness.wait_for_message("🧵 Sample Android: pull request #7", person=None)
    reply = await harness.wait_for_message("Sample Android #2 passed", person=None, after=other)
    assert reply.thread_ts == other.ts
    assert not reply.broadcast
    start_build(harness, "success")
    await wait_for_text(harness, head, "#3 passed")
    replies = [post for post in harness.slack.posts("builds") if post.thread_ts == head.ts]
    assert [
        "#1 failed" in harness.message_text(replies[0]),
        "#3 passed" in harness.message_text(replies[1]),
    ] == [True, True]


async def test_thread_replies_are_broadcast_if_the_subscription_asks_for_it(
    harness: BotHarness,
) -> None:
    await harness.ask(
        "/bitrise subscribe android style:thread broadcast:yes", "replies also shown in the channel"
    )
    start_build(harness, "success")
    head = await harness.wait_for_message("🧵", person=None)
    reply = await harness.wait_for_message("Sample Android #1 passed", person=None, after=head)
    assert (reply.thread_ts, reply.broadcast) == (head.ts, True)


async def test_a_deleted_thread_head_is_posted_again(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android style:thread", "subscribed")
    start_build(harness, "success")
    head = await harness.wait_for_message("🧵", person=None)
    await harness.wait_for_message("#1 passed", person=None, after=head)
    harness.slack.workspace.remove(harness.slack.workspace.find_channel("builds"), head)
    start_build(harness, "error")
    new = await harness.wait_for_message("🧵", person=None)
    reply = await harness.wait_for_message("Sample Android #2 failed", person=None, after=new)
    assert reply.thread_ts == new.ts


async def test_many_apps_that_fail_at_once_are_shown_as_an_outage(harness: BotHarness) -> None:
    apps = [harness.bitrise.state.add_app(f"Service {number}", "acme", f"s{number}") for number in range(7)]
    for app in apps:
        await harness.ask(f'/bitrise subscribe "{app.title}"', "subscribed")
    for app in apps:
        harness.bitrise.finish(harness.bitrise.start_build(app), "error")
    card = await harness.wait_for_message("Possible outage", person=None)
    last = harness.bitrise.start_build(apps[0])
    harness.bitrise.finish(last, "error")
    await wait_for_text(harness, card, "Service 0 #2 failed")

    def counts() -> list[int]:
        shown = "\n".join(map(harness.message_text, harness.slack.posts("builds")))
        return [shown.count(f"{app.title} #1 failed") for app in apps]

    await harness.slack.workspace.wait_for(lambda: all(counts()) or None, 15, "all seven failures")
    assert counts() == [1] * 7


async def test_the_log_excerpt_is_added_to_the_message_once_the_log_is_available(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    failed = start_build(harness)
    harness.bitrise.start_running(failed)
    harness.clock.skip(timedelta(minutes=2))
    harness.bitrise.finish(failed, "error")
    post = await harness.wait_for_message("Sample Android #1 failed", person=None)
    assert "Failed in" not in harness.message_text(post)
    harness.clock.skip(timedelta(minutes=1))
    text = await wait_for_text(harness, post, "Failed in `gradle-unit-test@1.0.7` (exit code 1)")
    assert "LoginTest > rejects an empty password FAILED" in text
    assert "118 tests completed, 1 failed" in text
    assert len(harness.messages_with("#1 failed")) == 1
    edits = len([request for request in harness.slack.request_log.entries if request.title == "chat.update"])
    await harness.users.click("anna", post, "Refresh")
    await harness.slack.workspace.wait_for(
        lambda: (
            len([request for request in harness.slack.request_log.entries if request.title == "chat.update"])
            > edits
            or None
        ),
        30,
        "another edit",
    )
    assert "Failed in" in harness.message_text(post)


async def test_a_message_stays_unchanged_if_its_log_may_not_be_read(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.bitrise.fault("GET */log", "status", status=403, times=50)
    failed = start_build(harness, "error")
    post = await harness.wait_for_message("#1 failed", person=None)
    await harness.wait_until(
        lambda: any(request.path.endswith(f"{failed.slug}/log") for request in harness.bitrise.requests)
    )
    assert "Failed in" not in harness.message_text(post)


async def test_a_log_that_could_not_be_read_is_tried_again(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.bitrise.fault("GET */log", "status", status=401)
    failed = start_build(harness)
    harness.bitrise.start_running(failed)
    harness.bitrise.finish(failed, "error")
    harness.clock.skip(timedelta(minutes=1))
    post = await harness.wait_for_message("Sample Android #1 failed", person=None)
    await wait_for_text(harness, post, "Failed in `gradle-unit-test@1.0.7`")
