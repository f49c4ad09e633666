"""How subscriptions are told: live messages, cards, threads, and what waits for its time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sandbox.bitrise.state import Build
from sandbox.slack.workspace import Post
from tests.support.bot_harness import BotHarness


def build(town: BotHarness, result: Any = None, *, branch: str = "main", **more: Any) -> Build:
    """A build of Android on the branch that has ended, or runs."""
    params = {"branch": branch, "commit_hash": "0123456789abcdef", "commit_message": "Fix the login"}
    params |= more.pop("params", {})
    made = town.bitrise.start_build(town.bitrise.android, params=params, ends_as=None, **more)
    if result is not None:
        town.bitrise.finish(made, result)
    return made


async def until(town: BotHarness, post: Post, text: str) -> str:
    """Wait until the message says this; it is edited."""
    await town.slack.workspace.wait_for(
        lambda: text in town.message_text(post) or None,
        15,
        f"{text!r} in a message that says:\n{town.message_text(post)}",
    )
    return town.message_text(post)


async def test_a_live_message_is_edited_from_start_to_end(town: BotHarness) -> None:
    await town.ask("/bitrise subscribe android style:live", "edited from its start to its end")
    running = build(town)
    post = await town.wait_for_message("Sample Android #1 is on hold", person=None)
    town.bitrise.run(running)
    await until(town, post, "is running")
    town.bitrise.finish(running, "error")
    await until(town, post, "Sample Android #1 failed")
    assert len(town.messages_with("Sample Android #1")) == 1


async def test_a_live_message_that_somebody_deleted_is_posted_anew(town: BotHarness) -> None:
    await town.ask("/bitrise subscribe android style:live", "subscribed")
    running = build(town)
    post = await town.wait_for_message("Sample Android #1 is on hold", person=None)
    channel = town.slack.workspace.channel("builds")
    town.slack.workspace.remove(channel, post)
    town.bitrise.finish(running)
    await town.wait_for_message("Sample Android #1 succeeded", person=None)
    assert len(town.messages_with("Sample Android #1")) == 1


async def test_a_broken_series_is_one_card_until_it_is_green_again(town: BotHarness) -> None:
    build(town, "success")
    await town.ask("/bitrise subscribe android style:card", "one card a broken series")
    build(town, "success")
    build(town, "error")
    card = await town.wait_for_message("Sample Android on `main`, workflow `primary` is broken", person=None)
    said = town.message_text(card)
    assert "Broke with #3 01234567 Fix the login" in said
    assert "was green at #2" in said
    assert "[I'm on it] [Snooze 4 hours] [Rebuild]" in said
    build(town, "error")
    await until(town, card, "2 builds have failed in a row")
    await town.people.click("ben", card, "I'm on it")
    said = await until(town, card, "@ben is on it")
    assert "[I'm on it]" not in said
    await town.people.click("anna", card, "Take over")
    await until(town, card, "@anna is on it")
    await town.people.click("ben", card, "Unassign")
    assert "is on it" not in await until(town, card, "[I'm on it]")
    await town.people.click("ben", card, "I'm on it")
    await until(town, card, "@ben is on it")
    build(town, "error", branch="develop")
    await town.wait_for_message("Sample Android on `develop`, workflow `primary` is broken", person=None)
    build(town, "success")
    said = await until(town, card, "is green again after")
    assert "Fixed by #6" in said
    assert "2 builds failed before" in said
    assert "@ben was on it" in said
    assert len(town.messages_with("on `main`, workflow")) == 1
    assert not town.messages_with("#2 succeeded")


async def test_a_snoozed_card_stays_as_it_is_until_it_is_fixed(town: BotHarness) -> None:
    await town.ask("/bitrise subscribe android style:card", "subscribed")
    build(town, "error")
    card = await town.wait_for_message("is broken", person=None)
    await town.people.click("ben", card, "Snooze 4 hours")
    said = await until(town, card, "💤 Snoozed until")
    assert "More failures don't update this card before then; a fix does" in said
    assert "[Snooze 4 hours]" not in said
    build(town, "error")
    build(town, "error", branch="develop")
    await town.wait_for_message("on `develop`", person=None)
    assert "one build has failed".capitalize() in town.message_text(card)
    await town.people.click("anna", card, "End snooze")
    said = await until(town, card, "2 builds have failed in a row")
    assert "Snoozed" not in said
    await town.people.click("ben", card, "Snooze 4 hours")
    await until(town, card, "[End snooze]")
    build(town, "success")
    assert "2 builds failed before" in await until(town, card, "is green again")


async def test_a_thread_gathers_a_branch_and_its_head_shows_the_last_result(town: BotHarness) -> None:
    await town.ask("/bitrise subscribe android style:thread", "one thread a branch or pull request")
    build(town, "error")
    head = await town.wait_for_message("🧵 Sample Android: branch `main`", person=None)
    build(town, "success", branch="x", params={"pull_request_id": 7, "branch_dest": "main"})
    other = await town.wait_for_message("🧵 Sample Android: pull request #7", person=None)
    reply = await town.wait_for_message("Sample Android #2 succeeded", person=None, after=other)
    assert reply.thread_ts == other.ts
    assert not reply.broadcast
    build(town, "success")
    await until(town, head, "#3 succeeded")
    replies = [post for post in town.slack.posts("builds") if post.thread_ts == head.ts]
    assert [
        "#1 failed" in town.message_text(replies[0]),
        "#3 succeeded" in town.message_text(replies[1]),
    ] == [True, True]


async def test_a_threads_replies_are_shown_in_the_channel_where_that_is_asked_for(town: BotHarness) -> None:
    await town.ask("/bitrise subscribe android style:thread broadcast:yes", "shown in the channel too")
    build(town, "success")
    head = await town.wait_for_message("🧵", person=None)
    reply = await town.wait_for_message("Sample Android #1 succeeded", person=None, after=head)
    assert (reply.thread_ts, reply.broadcast) == (head.ts, True)


async def test_a_threads_head_that_somebody_deleted_is_posted_anew(town: BotHarness) -> None:
    await town.ask("/bitrise subscribe android style:thread", "subscribed")
    build(town, "success")
    head = await town.wait_for_message("🧵", person=None)
    await town.wait_for_message("#1 succeeded", person=None, after=head)
    town.slack.workspace.remove(town.slack.workspace.channel("builds"), head)
    build(town, "error")
    new = await town.wait_for_message("🧵", person=None)
    reply = await town.wait_for_message("Sample Android #2 failed", person=None, after=new)
    assert reply.thread_ts == new.ts


async def test_many_apps_that_fail_at_once_look_like_an_outage(town: BotHarness) -> None:
    apps = [town.bitrise.farm.add_app(f"Service {number}", "acme", f"s{number}") for number in range(7)]
    for app in apps:
        await town.ask(f'/bitrise subscribe "{app.title}"', "subscribed")
    for app in apps:
        town.bitrise.finish(town.bitrise.start_build(app), "error")
    card = await town.wait_for_message("Looks like an outage", person=None)
    last = town.bitrise.start_build(apps[0])
    town.bitrise.finish(last, "error")
    await until(town, card, "Service 0 #2 failed")

    def counts() -> list[int]:
        shown = "\n".join(map(town.message_text, town.slack.posts("builds")))
        return [shown.count(f"{app.title} #1 failed") for app in apps]

    await town.slack.workspace.wait_for(lambda: all(counts()) or None, 15, "all seven failures")
    assert counts() == [1] * 7


async def test_the_last_lines_that_matter_complete_the_message_once_the_log_is_there(
    town: BotHarness,
) -> None:
    await town.ask("/bitrise subscribe android", "subscribed")
    failed = build(town)
    town.bitrise.run(failed)
    town.clock.skip(timedelta(minutes=2))
    town.bitrise.finish(failed, "error")
    post = await town.wait_for_message("Sample Android #1 failed", person=None)
    assert "Failed in" not in town.message_text(post)
    town.clock.skip(timedelta(minutes=1))
    said = await until(town, post, "Failed in `gradle-unit-test@1.0.7` (exit code 1)")
    assert "LoginTest > rejects an empty password FAILED" in said
    assert "118 tests completed, 1 failed" in said
    assert len(town.messages_with("#1 failed")) == 1
    edits = len([one for one in town.slack.journal.entries if one.what == "chat.update"])
    await town.people.click("anna", post, "Refresh")
    await town.slack.workspace.wait_for(
        lambda: len([one for one in town.slack.journal.entries if one.what == "chat.update"]) > edits or None,
        5,
        "another edit",
    )
    assert "Failed in" in town.message_text(post)


async def test_a_log_that_may_not_be_read_leaves_the_message_as_it_is(town: BotHarness) -> None:
    await town.ask("/bitrise subscribe android", "subscribed")
    town.bitrise.fault("GET */log", "status", status=403, times=50)
    failed = build(town, "error")
    post = await town.wait_for_message("#1 failed", person=None)
    await town.slack.workspace.wait_for(
        lambda: any(one.path.endswith(f"{failed.slug}/log") for one in town.bitrise.requests) or None,
        5,
        "a try",
    )
    assert "Failed in" not in town.message_text(post)


async def test_a_log_that_could_not_be_read_at_first_is_read_later(town: BotHarness) -> None:
    await town.ask("/bitrise subscribe android", "subscribed")
    town.bitrise.fault("GET */log", "status", status=401)
    failed = build(town)
    town.bitrise.run(failed)
    town.bitrise.finish(failed, "error")
    town.clock.skip(timedelta(minutes=1))
    post = await town.wait_for_message("Sample Android #1 failed", person=None)
    await until(town, post, "Failed in `gradle-unit-test@1.0.7`")
