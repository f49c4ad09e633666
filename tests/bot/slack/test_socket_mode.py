"""Socket Mode connections, interrupted in every way that Slack interrupts them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from structlog.testing import capture_logs

from sandbox.slack.socket_mode import MAX_CONNECTIONS
from tests.bot.test_metrics import read_metrics
from tests.support.bot_harness import BotHarness, bot_harness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    """Run the bot with a ping interval of a tenth, so that it finds interruptions sooner."""
    async with bot_harness(tmp_path, seconds={"ping_seconds": 0.5}) as opened:
        yield opened
        assert opened.slack.violations == []


async def test_two_connections_share_the_requests(harness: BotHarness) -> None:
    await harness.slack.wait_for_app(connections=2)
    for _ in range(4):
        await harness.ask("/bitrise help", "Commands")
    assert harness.slack.sockets.opened == 2


async def test_a_refresh_loses_no_request(harness: BotHarness) -> None:
    await harness.slack.wait_for_app(connections=2)
    for reason in ("warning", "refresh_requested"):
        opened = harness.slack.sockets.opened
        await harness.slack.sockets.disconnect(reason)
        await harness.slack.sockets.wait_for_opened(opened + 2, 30)
        await harness.ask("/bitrise help", "Commands")


async def test_a_dropped_connection_is_opened_again(harness: BotHarness) -> None:
    await harness.slack.wait_for_app(connections=2)
    opened = harness.slack.sockets.opened
    await harness.slack.sockets.drop()
    await harness.slack.sockets.wait_for_opened(opened + 1, 30)
    await harness.ask("/bitrise help", "Commands")


async def test_a_failed_handshake_gets_a_new_address(harness: BotHarness) -> None:
    """The SDK would retry the used address forever (Slack's rules, "Traps in the libraries")."""
    await harness.slack.wait_for_app(connections=2)
    opened = harness.slack.sockets.opened
    harness.slack.sockets.refuse_handshakes = 2
    await harness.slack.sockets.drop()
    await harness.slack.sockets.wait_for_opened(opened + 2, 60)
    await harness.ask("/bitrise help", "Commands")


async def test_a_bot_that_finds_all_connections_of_the_app_taken_waits_for_one(tmp_path: Path) -> None:
    harness = BotHarness(tmp_path, seconds={"ping_seconds": 0.1})
    await harness.open()
    sockets = harness.slack.sockets
    async with aiohttp.ClientSession() as others:
        url = harness.slack.url.replace("http", "ws", 1)
        taken = [
            await others.ws_connect(f"{url}/link/?ticket={sockets.new_ticket()}")
            for _ in range(MAX_CONNECTIONS)
        ]
        with capture_logs() as logs:
            starting = asyncio.create_task(harness.start_bot())
            # Both of its connections are refused, and tried again.
            await harness.wait_until(lambda: sockets.refused >= 4)
            assert not harness.bot.ready.is_set()
            assert (await read_metrics(harness)).value("ready") == 0
            await taken[0].close()
            await starting
            assert (await read_metrics(harness)).value("socket_connections") == 1
            await taken[1].close()
            await sockets.wait_for_opened(MAX_CONNECTIONS + 2, 60)
        await harness.close()
    [warning] = {line["cure"] for line in logs if line["event"] == "socket.too_many"}
    assert "at most 5 processes" in warning
