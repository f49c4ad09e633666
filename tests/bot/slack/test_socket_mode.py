"""Socket Mode's connections, broken in every way that Slack breaks them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.bot_harness import BotHarness, bot_harness


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[BotHarness]:
    """The bot with a pulse ten times as fast, so that what it waits for comes ten times as soon."""
    async with bot_harness(tmp_path, seconds={"ping_seconds": 0.5}) as opened:
        yield opened
        assert opened.slack.violations == []


async def test_two_connections_share_the_requests(town: BotHarness) -> None:
    await town.slack.wait_for_app(connections=2)
    for _ in range(4):
        await town.ask("/bitrise help", "What you can type")
    assert town.slack.sockets.opened == 2


async def test_a_refresh_loses_no_request(town: BotHarness) -> None:
    await town.slack.wait_for_app(connections=2)
    for reason in ("warning", "refresh_requested"):
        opened = town.slack.sockets.opened
        await town.slack.sockets.disconnect(reason)
        await town.slack.sockets.wait_for_opened(opened + 2, 30)
        await town.ask("/bitrise help", "What you can type")


async def test_an_abrupt_break_is_mended(town: BotHarness) -> None:
    await town.slack.wait_for_app(connections=2)
    opened = town.slack.sockets.opened
    await town.slack.sockets.drop()
    await town.slack.sockets.wait_for_opened(opened + 1, 30)
    await town.ask("/bitrise help", "What you can type")


async def test_a_failed_handshake_gets_a_new_address(town: BotHarness) -> None:
    """The SDK would try the used-up address for ever (Slack's rules, "Traps in the libraries")."""
    await town.slack.wait_for_app(connections=2)
    opened = town.slack.sockets.opened
    town.slack.sockets.refuse_handshakes = 2
    await town.slack.sockets.drop()
    await town.slack.sockets.wait_for_opened(opened + 2, 60)
    await town.ask("/bitrise help", "What you can type")
