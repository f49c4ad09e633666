"""A bot that is stopped by SIGTERM hands its channels and polls over to the others while it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import MappingProxyType

import pytest
from structlog.testing import capture_logs

from domain.unit import Unit
from sandbox.faults import Fault
from services.jobs.procrastinate_engine import ProcrastinateEngine
from tests.bot.test_many_pollers import poller_of
from tests.support.bot_harness import bot_harness
from tests.support.many_bots import ManagedBot, ManyBots, many_bots
from tests.support.postgres import PostgresServer

# Nothing comes to a bot by itself during a test.
FAR = 1800.0
CHANNELS = ("builds", "random")
POLL = "FROM polls WHERE token LIKE 'bitrise:%'"


@pytest.fixture
async def harness(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ManyBots]:
    monkeypatch.setattr(ProcrastinateEngine, "sweep_seconds", MappingProxyType({Unit.DELIVER: FAR}))
    # No job from the queue waits for a call that is held.
    monkeypatch.setitem(ProcrastinateEngine.__init__.__kwdefaults__, "run_seconds", 0.0)  # type: ignore[arg-type]
    far = str(FAR)
    async with many_bots(
        tmp_path, postgres, 1, poll_interval=far, poll_interval_active=far
    ) as running_harness:
        yield running_harness
        assert running_harness.slack.violations == []


def finish_build(harness: ManyBots) -> None:
    harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "success")


async def poll_now(harness: ManyBots) -> None:
    """Let one of the bots poll, and wait for the end of that."""
    await poller_of(harness.bots[-1]).schedule.request(Unit.POLL, "bitrise")
    await harness.wait_for_values(f"SELECT requested = answered {POLL}", True)


async def find_polling_bot(harness: ManyBots) -> ManagedBot:
    """Return the bot that has made the last poll, once it knows that."""
    [(polled,)] = await harness.rows(f"SELECT polled {POLL}")

    def find() -> list[ManagedBot]:
        return [bot for bot in harness.bots if poller_of(bot).schedule._polled == polled]

    await harness.wait_until(lambda: len(find()) == 1)
    return find()[0]


def succeeded(harness: ManyBots, channel: str) -> list[str]:
    """Return the numbers of the builds in the channel's messages."""
    lines = [harness.message_text(post).split("\n")[0] for post in harness.messages_with(" passed", channel)]
    return [line.split("#")[1].removesuffix(" passed") for line in lines]


async def test_each_channel_is_free_as_soon_as_the_call_in_it_has_ended(harness: ManyBots) -> None:
    for channel in CHANNELS:
        await harness.ask("/bitrise subscribe android", "subscribed to", channel=channel)
    faults = [Fault("chat.postMessage", "held") for _ in CHANNELS]
    harness.slack.api.faults.active.extend(faults)
    finish_build(harness)
    await poll_now(harness)
    await harness.wait_until(lambda: len(harness.slack.api.faults.held) == len(CHANNELS))

    await harness.start_bot()
    finish_build(harness)
    await poll_now(harness)
    stopping = asyncio.create_task(harness.stop(harness.bots[0]))
    faults[0].released.set()
    await harness.wait_until(lambda: sorted(len(succeeded(harness, name)) for name in CHANNELS) == [0, 2])
    assert not stopping.done()
    faults[1].released.set()
    await harness.wait_until(lambda: all(succeeded(harness, name) == ["1", "2"] for name in CHANNELS))
    await stopping


async def test_another_bot_polls_at_once(harness: ManyBots) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed to")
    for number in ("1", "2"):
        await harness.start_bot()
        await poll_now(harness)
        finish_build(harness)
        await harness.stop(await find_polling_bot(harness))
        await harness.wait_for_message(f"#{number} passed", person=None)


async def test_a_bot_that_stops_right_after_its_start_ends(tmp_path: Path, postgres: PostgresServer) -> None:
    """It returns the jobs that it has taken to the queue, so a worker that went on would take them again without end."""
    url = postgres.new_database()
    with capture_logs() as logs:
        for number in range(20):
            folder = tmp_path / str(number)
            folder.mkdir()
            async with bot_harness(folder, database_url=url):
                pass
    assert not [line for line in logs if line["event"] == "drain.late"]
    postgres.recycle_database(url)
