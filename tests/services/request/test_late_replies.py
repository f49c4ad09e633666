"""Replies that Slack could not accept: sent to the user once it can, unless they are too old to be useful."""

from __future__ import annotations

import asyncio

import aiohttp

from services.request.late_replies import MAX_REPLIES_PER_PERSON, LateReplies, is_slack_outage
from services.slack.errors import NO_ANSWER, NOT_SENT, NOT_UNDERSTOOD, RATE_LIMITED, SlackCallFailed
from tests.support.bot_harness import BotHarness


def test_a_permanent_refusal_is_no_outage_of_slack() -> None:
    for reason in ("service_unavailable", NOT_SENT, RATE_LIMITED):
        assert is_slack_outage(SlackCallFailed("chat.postMessage", reason))
    assert is_slack_outage(SlackCallFailed("chat.postMessage", NOT_UNDERSTOOD, status=503))
    assert not is_slack_outage(SlackCallFailed("chat.postMessage", "channel_not_found"))
    assert not is_slack_outage(ValueError())


def test_a_reply_that_slack_may_have_shown_is_not_retried() -> None:
    for method in ("chat.postMessage", "chat.postEphemeral"):
        assert not is_slack_outage(SlackCallFailed(method, NO_ANSWER))
        assert not is_slack_outage(SlackCallFailed(method, NOT_UNDERSTOOD, status=200))
    assert is_slack_outage(SlackCallFailed("conversations.open", NO_ANSWER))
    assert not is_slack_outage(aiohttp.ClientError())


async def test_replies_are_retried_until_slack_accepts_them_and_few_wait_per_user() -> None:
    late_replies, attempts, accepted = LateReplies(first_pause_seconds=0), 0, asyncio.Event()

    async def send() -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise SlackCallFailed("chat.postMessage", NOT_SENT)
        accepted.set()

    async def send_forever() -> None:
        await asyncio.Event().wait()

    assert late_replies.retry("T1", "U1", send)
    async with asyncio.timeout(30):
        await accepted.wait()
    assert attempts == 3
    await asyncio.sleep(0)
    assert [late_replies.retry("T1", "U1", send_forever) for _ in range(MAX_REPLIES_PER_PERSON + 1)][-2:] == [
        True,
        False,
    ]
    assert late_replies.retry("T1", "U2", send_forever)
    running = asyncio.create_task(late_replies.run())
    late_replies.stop()
    async with asyncio.timeout(30):
        await running
    assert not late_replies.retry("T1", "U2", send_forever)


async def test_a_reply_that_is_too_old_is_dropped() -> None:
    late_replies = LateReplies(first_pause_seconds=0, lasts_seconds=0)
    given_up = asyncio.Event()

    async def send() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    late_replies.retry("T1", "U1", send)
    async with asyncio.timeout(30):
        await late_replies._tasks.wait()
    assert not list(late_replies._tasks)


async def test_a_request_during_an_outage_of_slack_is_answered_once_it_is_over(harness: BotHarness) -> None:
    harness.users.invite("builds")
    harness.slack.fault("chat.postMessage", "status", status=503, times=2)
    harness.users.say("anna", "builds", "@buildbell help")
    await harness.wait_for_message("Commands", person=None)
    assert len(harness.messages_with("Commands")) == 1
    # The response_url of a command is tried first, and then a message of the bot.
    harness.slack.fault("*", "status", status=503, times=2)
    answer = await harness.ask("/bitrise help", "Commands", channel="random")
    assert answer.only_for is not None
