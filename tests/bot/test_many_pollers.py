"""Several bots on one PostgreSQL database that poll with the same tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from providers.bitrise.provider import BITRISE
from services.polling import poll_schedule
from services.polling.poller import Poller
from tests.support.many_bots import ManagedBot, ManyBots, many_bots
from tests.support.postgres import PostgresServer


@pytest.fixture
async def harness(tmp_path: Path, postgres: PostgresServer) -> AsyncIterator[ManyBots]:
    async with many_bots(tmp_path, postgres, 3) as running_harness:
        yield running_harness
        assert running_harness.slack.violations == []


def poller_of(bot: ManagedBot) -> Poller:
    [poller] = (job for job in bot._supervisor._jobs if isinstance(job, Poller) and job.key == str(BITRISE))
    return poller


def count_own_polls(harness: ManyBots) -> list[int | None]:
    return [poller_of(bot).schedule._polled for bot in harness.bots]


async def let_poll(harness: ManyBots, bot: ManagedBot) -> None:
    """Let this bot be the one that polls."""
    schedule = poller_of(bot).schedule
    async with asyncio.timeout(60):
        while schedule._polled is None or schedule._polled != schedule.status.polled:
            await bot.database.write(
                lambda db: db.execute("UPDATE polls SET requested = requested + 1 WHERE provider = 'bitrise'")
            )
            poller_of(bot).wake()  # another one may hear of it before
            await harness.wait_for_poll()


async def test_one_of_three_bots_polls_however_many_there_are(
    harness: ManyBots, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine may delay the one that polls.
    monkeypatch.setattr(poll_schedule, "GRACE_SECONDS", 60.0)
    await harness.ask("/bitrise subscribe android", "subscribed to")
    await harness.wait_for_poll()
    before = count_own_polls(harness)
    for _ in range(3):
        await harness.wait_for_poll()
    changed = [was != now for was, now in zip(before, count_own_polls(harness), strict=True)]
    assert changed.count(True) == 1


async def test_when_the_bot_that_polls_is_killed_another_one_polls(harness: ManyBots) -> None:
    await harness.ask("/bitrise subscribe android", "subscribed to")
    for number in (1, 2):
        polling = harness.bots[-1]
        await let_poll(harness, polling)
        await harness.kill(polling)
        harness.bitrise.finish(harness.bitrise.start_build(harness.bitrise.android), "success")
        await harness.wait_for_message(f"#{number} passed", person=None)
    assert len(harness.messages_with("passed")) == 2
    [left] = harness.bots
    await harness.wait_until(lambda: poller_of(left).failures == 0)
