"""Subscribing, being notified once, and unsubscribing."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tests.support.bot_harness import BotHarness


async def test_a_finished_build_is_notified_once_with_all_details(harness: BotHarness) -> None:
    old = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.finish(old)
    confirmed = await harness.ask(
        "/bitrise subscribe android", "anna subscribed to Sample Android: all finished builds"
    )
    assert confirmed.only_for is None
    harness.bitrise.start_build(
        harness.bitrise.android,
        by="webhook-github/octo",
        params={
            "branch": "feature/login",
            "commit_hash": "0123456789abcdef0123456789abcdef01234567",
            "commit_message": "Check <!channel> & *more*\n\nbody",
            "pull_request_id": 7,
            "branch_dest": "main",
        },
        ends_as="error",
    )
    harness.clock.skip(timedelta(minutes=6))

    post = await harness.wait_for_message("Sample Android #2 failed", person=None)

    text = harness.message_text(post)
    for part in (
        "feature/login",
        "pull request #7 into `main`",
        "01234567 Check <!channel> & more",
        "Started by octo (github)",
        "s on hold",
        "40s preparing",
        "4m building",
    ):
        assert part in text
    mrkdwn = post.blocks[0]["text"]["text"]
    assert "&lt;!channel&gt; &amp;" in mrkdwn
    assert "https://github.com/bitrise-samples/sample-android/commit/0123456789abcdef" in mrkdwn
    assert "https://github.com/bitrise-samples/sample-android/pull/7" in mrkdwn
    assert "failed on feature/login" in post.text
    await harness.ask("/bitrise status android")
    assert len(harness.messages_with("#2 failed")) == 1
    assert not harness.messages_with("#1 ")


async def test_an_abort_is_notified_with_its_reason(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    build = harness.bitrise.start_build(harness.bitrise.android)
    harness.bitrise.abort(build, username="api-demo", reason="canceled through the API", with_success=True)
    post = await harness.wait_for_message("was aborted (counted as success)", person=None)
    assert "Aborted by api-demo: canceled through the API" in harness.message_text(post)


async def test_a_filter_selects_the_notified_builds(harness: BotHarness) -> None:
    await harness.ask(
        "/bitrise subscribe android branch:main status:failed,aborted",
        "Sample Android: all failures and all aborts on branch `main`",
    )
    for branch, result in (("develop", "error"), ("main", "success"), ("main", "error")):
        build = harness.bitrise.start_build(harness.bitrise.android, params={"branch": branch})
        harness.bitrise.finish(build, result)  # type: ignore[arg-type]
    await harness.wait_for_message("#3 failed", person=None)
    assert not harness.messages_with("#1 ")
    assert not harness.messages_with("#2 ")


async def test_a_private_channel_without_the_bot_gets_the_exact_invite_command(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "/invite @buildbell", channel="release")
    await harness.ask("/bitrise subscriptions", "No subscriptions here yet", channel="release")
    harness.users.invite("release")
    await harness.ask("/bitrise subscribe android", "subscribed to", channel="release")


async def test_subscriptions_are_listed_with_an_unsubscribe_button(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android branch:main", "subscribed")
    await harness.ask("/bitrise subscribe ios", "subscribed")
    listed = await harness.ask("/bitrise subscriptions", "Subscriptions")
    assert "1. Sample Android: all finished builds on branch `main` · added by @anna" in harness.message_text(
        listed
    )
    ended = await harness.press(listed, "Unsubscribe", "anna removed a subscription to Sample Android")
    assert ended.only_for is None
    await harness.ask("/bitrise unsubscribe ios", "removed a subscription to Sample iOS")
    await harness.ask("/bitrise unsubscribe ios", "No such subscription here")


async def test_subscribing_twice_makes_one_subscription(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    await harness.ask("/bitrise subscribe android", "Already subscribed: 1.")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    await harness.wait_for_message("#1 passed", person=None)
    await harness.ask("/bitrise subscriptions", "1. Sample Android: all finished builds")
    assert len(harness.messages_with("#1 passed")) == 1


async def test_each_channel_is_notified_by_its_own_subscription(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    await harness.ask("/bitrise subscribe android status:failed", "subscribed", channel="random")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    await harness.wait_for_message("#2 failed", channel="random")
    await harness.wait_for_message("#2 failed")
    assert len(harness.messages_with("#1 passed")) == 1
    assert not harness.messages_with("#1 passed", "random")


async def test_an_archived_channel_stops_its_subscription_with_the_reason(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    await harness.ask("/bitrise subscribe android", "subscribed", channel="random")
    harness.slack.workspace.find_channel("builds").archived = True
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    await harness.wait_for_message("#1 passed", channel="random")

    def has_refusal() -> bool | None:
        # The channel may refuse to be joined before that.
        posts = [entry for entry in harness.slack.request_log.entries if entry.title == "chat.postMessage"]
        return any("is_archived" in str(entry.response) for entry in posts) or None

    await harness.slack.workspace.wait_for(has_refusal, 30, "a refusal")
    harness.slack.workspace.find_channel("builds").archived = False
    # Slack has refused; ask until the bot has stored it.
    for _ in range(50):
        answer = await harness.ask("/bitrise subscriptions", "Sample Android")
        if "Stopped. The channel is archived" in harness.message_text(answer):
            return
    pytest.fail("the subscription was not stopped")


async def test_a_rate_limit_is_obeyed_and_nothing_is_lost_or_sent_twice(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.slack.fault("chat.postMessage", "ratelimited", times=2, seconds=1)
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    await harness.wait_for_message("#1 passed", person=None)
    calls = [
        entry
        for entry in harness.slack.request_log.entries
        if entry.title == "chat.postMessage" and entry.status == 429
    ]
    assert len(calls) == 2
    assert len(harness.messages_with("#1 passed")) == 1


async def test_a_lost_response_is_checked_before_anything_is_posted_again(harness: BotHarness) -> None:
    harness.users.invite("builds")
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.slack.fault("chat.postMessage", "answer_lost")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    await harness.wait_for_message("#1 passed", person=None)
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    await harness.wait_for_message("#2 passed", person=None)
    assert len(harness.messages_with("#1 passed")) == 1
    assert [entry for entry in harness.slack.request_log.entries if entry.title == "conversations.history"]


async def test_a_message_that_never_arrived_is_posted(harness: BotHarness) -> None:
    harness.users.invite("builds")
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.slack.fault("chat.postMessage", "dropped")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    await harness.wait_for_message("#1 passed", person=None)
    assert len(harness.messages_with("#1 passed")) == 1


async def test_a_temporary_failure_of_bitrise_loses_nothing(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.bitrise.fault("GET /v0.1/builds", "html", times=5)
    for _ in range(3):
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    await harness.wait_for_message("#3 passed", person=None)
    assert [len(harness.messages_with(f"#{number} passed")) for number in (1, 2, 3)] == [1, 1, 1]


async def test_more_builds_than_a_page_between_two_polls_arrive_as_one_digest(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.bitrise.fault("GET /v0.1/builds", "ratelimited", seconds=1)
    for _ in range(60):
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    await harness.wait_for_message("#60 ", person=None)
    digests = harness.messages_with("Delayed notifications")
    assert digests
    everything = "\n".join(harness.message_text(post) for post in harness.slack.posts("builds"))
    assert [everything.count(f"Sample Android #{number} passed") for number in range(1, 61)] == [1] * 60


async def test_a_server_without_the_list_of_all_builds_is_polled_app_by_app(harness: BotHarness) -> None:
    harness.bitrise.fault("GET /v0.1/builds", "status", times=1000, status=404)
    await harness.ask("/bitrise subscribe android", "subscribed")
    await harness.ask("/bitrise subscribe ios", "subscribed")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.ios), "error")
    await harness.wait_for_message("Sample Android #1 passed", person=None)
    await harness.wait_for_message("Sample iOS #1 failed", person=None)


async def test_the_creator_is_notified_once_why_a_channel_gets_no_more_notifications(
    harness: BotHarness,
) -> None:
    harness.users.invite("release")
    await harness.ask("/bitrise subscribe android", "subscribed", channel="release")
    await harness.ask("/bitrise subscribe ios", "subscribed", channel="release")
    channel = harness.slack.workspace.find_channel("release")
    channel.members.discard("U0BUILDBELL")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    notice = await harness.slack.wait_for_post("D0ANNA", "Buildbell can't post in", viewer="anna")
    text = harness.message_text(notice)
    assert "Type /invite @buildbell in it" in text.replace("`", "")
    assert "Sample Android: all finished builds" in text
    assert "Sample iOS: all finished builds" in text
    # The notice is stored before the subscriptions are stopped, and may be posted before.
    await harness.wait_for_values("SELECT COUNT(*) FROM subscriptions WHERE stopped_at IS NOT NULL", 2)
    listed = await harness.ask("/bitrise subscriptions", "Stopped", channel="release")

    harness.users.invite("release")
    await harness.press(listed, "Resume", "resumed notifications for")
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    await harness.wait_for_message("#2 failed", channel="release", person=None)
    assert len(harness.slack.posts("D0ANNA", "anna")) == 1


async def test_a_renamed_channel_keeps_its_subscriptions(harness: BotHarness) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.slack.workspace.find_channel("builds").name = "builds-and-more"
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android))
    await harness.wait_for_message("#1 passed", channel="builds-and-more", person=None)


async def test_several_subscriptions_of_one_app_in_one_channel_each_notify_their_own_builds(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android branch:main status:failed", "subscribed")
    await harness.ask("/bitrise subscribe android branch:develop", "subscribed")
    for branch, result in (("main", "success"), ("main", "error"), ("develop", "success")):
        build = harness.bitrise.start_build(harness.bitrise.android, params={"branch": branch})
        harness.bitrise.finish(build, result)  # type: ignore[arg-type]
    await harness.wait_for_message("#3 passed", person=None)
    assert [len(harness.messages_with(f"#{number} ")) for number in (1, 2, 3)] == [0, 1, 1]


async def test_a_channels_subscriptions_show_an_outage_of_bitrise(
    harness: BotHarness,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed")
    harness.bitrise.fault("GET /v0.1/builds", "status", status=401, times=1000)

    async def shows_outage() -> bool:
        listed = await harness.ask("/bitrise subscriptions", "Subscriptions")
        return "No updates from Bitrise since" in harness.message_text(listed)

    async with asyncio.timeout(30):
        while not await shows_outage():  # noqa: ASYNC110 - it is asked as a person would
            await asyncio.sleep(0.2)
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "error")
    harness.bitrise.faults.clear()
    await harness.slack.wait_for_post("builds", "#1 failed", seconds=30)
    assert not await shows_outage()
