"""Several bots on one PostgreSQL database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.faults import Fault
from sandbox.slack.models import TEAM
from tests.support.many_bots import ManyBots, many_bots
from tests.support.postgres import PostgresServer


@pytest.fixture
async def harness(tmp_path: Path, postgres: PostgresServer) -> AsyncIterator[ManyBots]:
    async with many_bots(tmp_path, postgres) as running_harness:
        yield running_harness
        assert running_harness.slack.violations == []


def succeeded(harness: ManyBots) -> list[str]:
    """Return the numbers of the builds in the channel's messages."""
    lines = [harness.message_text(post).split("\n")[0] for post in harness.messages_with(" passed")]
    return [line.split("#")[1].removesuffix(" passed") for line in lines]


async def test_a_channel_gets_each_message_once_and_in_order_although_slack_is_slow(
    harness: ManyBots,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed to")
    harness.slow_down_slack(1)
    for _ in range(6):
        build = harness.bitrise.start_build(harness.bitrise.android)
        harness.bitrise.finish(build, "success")
        await asyncio.sleep(0.2)
    await harness.wait_for_message("#6 passed", person=None)
    assert succeeded(harness) == ["1", "2", "3", "4", "5", "6"]


@pytest.mark.parametrize("arrives", [True, False])
async def test_a_killed_bots_channel_is_taken_over_and_its_message_posted_once(
    harness: ManyBots, arrives: bool
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed to")
    fault = Fault("chat.postMessage", "held")
    harness.slack.api.faults.add(fault)
    for _ in range(2):
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "success")
    await harness.wait_until(lambda: bool(harness.slack.api.faults.held))
    holder = harness.find_holder("channel", TEAM, "C0BUILDS")
    assert holder is not None
    await harness.kill(holder)
    if arrives:
        fault.released.set()
    await harness.wait_for_message("#2 passed", person=None)
    assert succeeded(harness) == ["1", "2"]
    fault.released.set()


async def test_a_bot_that_stops_leaves_its_channels_to_the_others(harness: ManyBots) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed to")
    for number in (1, 2):
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "success")
        await harness.wait_for_message(f"#{number} passed", person=None)
        if number == 1:
            await harness.stop(harness.bots[0])
    assert succeeded(harness) == ["1", "2"]
    await harness.start_bot()
    await harness.ask("/bitrise list", "Sample Android #2 passed")
