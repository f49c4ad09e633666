"""Answers that Slack could not take: said once it can, to whoever asked, and no later than that is of use."""

from __future__ import annotations

import asyncio

import aiohttp

from services.request.late_replies import MOST_EACH, LateReplies, is_slack_outage
from services.slack.errors import NO_ANSWER, NOT_SENT, NOT_UNDERSTOOD, RATE_LIMITED, SlackCallFailed
from tests.support.bot_harness import BotHarness


def test_what_slack_refuses_for_good_is_no_trouble_of_its_own() -> None:
    for reason in ("service_unavailable", NOT_SENT, RATE_LIMITED):
        assert is_slack_outage(SlackCallFailed("chat.postMessage", reason))
    assert is_slack_outage(SlackCallFailed("chat.postMessage", NOT_UNDERSTOOD, status=503))
    assert not is_slack_outage(SlackCallFailed("chat.postMessage", "channel_not_found"))
    assert not is_slack_outage(ValueError())


def test_what_slack_may_have_shown_is_not_said_again() -> None:
    for method in ("chat.postMessage", "chat.postEphemeral"):
        assert not is_slack_outage(SlackCallFailed(method, NO_ANSWER))
        assert not is_slack_outage(SlackCallFailed(method, NOT_UNDERSTOOD, status=200))
    assert is_slack_outage(SlackCallFailed("conversations.open", NO_ANSWER))
    assert not is_slack_outage(aiohttp.ClientError())


async def test_each_is_said_until_slack_takes_it_and_few_wait_for_one_person() -> None:
    late, tries, taken = LateReplies(first_pause_seconds=0), 0, asyncio.Event()

    async def again() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise SlackCallFailed("chat.postMessage", NOT_SENT)
        taken.set()

    async def never() -> None:
        await asyncio.Event().wait()

    assert late.retry("T1", "U1", again)
    async with asyncio.timeout(30):
        await taken.wait()
    assert tries == 3
    await asyncio.sleep(0)
    assert [late.retry("T1", "U1", never) for _ in range(MOST_EACH + 1)][-2:] == [True, False]
    assert late.retry("T1", "U2", never)
    running = asyncio.create_task(late.run())
    late.stop()
    async with asyncio.timeout(30):
        await running
    assert not late.retry("T1", "U2", never)


async def test_one_that_is_too_old_is_given_up() -> None:
    late = LateReplies(first_pause_seconds=0, lasts_seconds=0)
    given_up = asyncio.Event()

    async def again() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    late.retry("T1", "U1", again)
    for task in list(late._tasks):
        await asyncio.wait({task})
    assert not late._tasks


async def test_whoever_asks_while_slack_is_down_is_answered_once_it_is_back(harness: BotHarness) -> None:
    harness.users.invite("builds")
    harness.slack.fault("chat.postMessage", "status", status=503, times=2)
    harness.users.say("anna", "builds", "@buildbell help")
    await harness.wait_for_message("What you can type", person=None)
    assert len(harness.messages_with("What you can type")) == 1
    # A command's own way back is tried first, and then a message of the bot's.
    harness.slack.fault("*", "status", status=503, times=2)
    answer = await harness.ask("/bitrise help", "What you can type", channel="random")
    assert answer.only_for is not None
