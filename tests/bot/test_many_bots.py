"""Several bots on one PostgreSQL database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sandbox.faults import Fault
from tests.support.many_bots import ManyBots, many_bots
from tests.support.postgres import PostgresServer


@pytest.fixture
async def harness(tmp_path: Path, postgres: PostgresServer) -> AsyncIterator[ManyBots]:
    async with many_bots(tmp_path, postgres) as running_harness:
        yield running_harness
        assert running_harness.slack.violations == []


async def test_a_channel_gets_each_message_once_and_in_order_although_slack_is_slow(
    harness: ManyBots,
) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed this channel")
    harness.slow_down_slack(1)
    for _ in range(6):
        build = harness.bitrise.start_build(harness.bitrise.android)
        harness.bitrise.finish(build, "success")
        await asyncio.sleep(0.2)
    await harness.wait_for_message("#6 succeeded", person=None)
    lines = [harness.message_text(post).split("\n")[0] for post in harness.messages_with("succeeded")]
    assert [line.split("#")[1] for line in lines] == [f"{number} succeeded" for number in range(1, 7)]


async def test_a_killed_bots_channels_are_taken_over_at_once(harness: ManyBots) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed this channel")
    build = harness.bitrise.start_build(harness.bitrise.android)
    held = Fault("chat.postMessage", "held")
    harness.slack.api.faults.add(held)
    harness.bitrise.finish(build, "success")
    await harness.wait_until(lambda: bool(harness.slack.api.faults.held))
    await harness.kill(harness.bots[0])
    held.released.set()
    await harness.wait_for_message("#1 succeeded", person=None)
