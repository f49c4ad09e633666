"""Several bots that poll with the same token, on one PostgreSQL database; the tests control the time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import cast

import pytest

from domain.poll_state import PollSnapshot
from domain.polling import BuildSource
from domain.provider_errors import ProviderDown, RateLimited
from domain.unit import Unit
from providers.bitrise.provider import BITRISE
from services.events import EventBus
from services.polling.poll import PollOutcome
from services.polling.poll_schedule import STATUS_SECONDS, PollSchedule
from services.polling.poller import CIRCUIT_OPENS_AFTER, OUTAGE_AFTER, Intervals, Poller, Pollers
from storage.polls import PollSuperseded, raise_watch_revision
from storage.repositories import Repositories
from tests.support.factories import NOON
from tests.support.postgres import PostgresServer
from tests.support.repositories import make_poll_recorder
from tests.support.shared_database import open_repositories

REST = 60.0
TOKEN = "bitrise:1234"


class Bots:
    """Two bots with a poller each; `polls` are the numbers of those that have polled, in order."""

    def __init__(self, repositories: list[Repositories]) -> None:
        self.repositories = repositories
        self.now = NOON
        self.polls: list[int] = []
        self.probes: list[int] = []
        self.continued: list[bool] = []
        self.results: list[Exception] = []
        self.during: Callable[[int], Awaitable[None]] | None = None
        for storage in repositories:
            storage.polls.time = lambda _db: self.now
        self.pollers = [self._make_poller(number) for number in range(len(repositories))]

    def clock(self) -> datetime:
        return self.now

    def skip(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def schedule(self, number: int) -> PollSchedule:
        return self.pollers[number].schedule

    def pollers_of(self, number: int) -> Pollers:
        return Pollers([(cast("BuildSource", _Source()), self.pollers[number])])

    async def run(self, number: int) -> float:
        """Let a bot poll if it is its turn; return how long it waits afterwards."""
        seconds = await self.pollers[number].run_once()
        assert seconds is not None
        return seconds

    def _make_poller(self, number: int) -> Poller:
        async def poll() -> PollOutcome:
            self.polls.append(number)
            self.continued.append(schedule.is_continued)
            if self.during is not None:
                await self.during(number)
            if self.results:
                raise self.results.pop(0)
            return PollOutcome()

        async def probe() -> None:
            self.probes.append(number)

        schedule = PollSchedule(self.repositories[number], BITRISE, TOKEN)
        return Poller(
            BITRISE,
            poll,
            schedule=schedule,
            intervals=Intervals(rest=REST, active=REST),
            events=EventBus(),
            clock=self.clock,
            randomness=random.Random(1),
            probe=probe,
        )


@pytest.fixture
async def bots(postgres: PostgresServer) -> AsyncIterator[Bots]:
    async with open_repositories(postgres) as repositories:
        yield Bots(repositories)


async def test_one_bot_polls_and_another_takes_over_when_it_is_late(bots: Bots) -> None:
    assert 0.8 * REST < await bots.run(0) < 1.2 * REST
    # The other one waits a little longer, so that it does not poll beside the first one.
    assert await bots.run(1) > await bots.run(0) > 0.5 * REST
    assert bots.polls == [0]
    bots.skip(2 * REST)
    await bots.run(1)
    assert bots.polls == [0, 1]
    # The first one has been away, and sees that somebody else polls now.
    assert await bots.run(0) > 0.5 * REST
    bots.skip(2 * REST)
    await bots.run(1)  # by its own timer it is not due
    await bots.run(0)
    assert bots.polls == [0, 1, 0]
    # What they have in memory counts only after their own poll.
    assert bots.continued == [False, False, False]


async def test_a_bot_that_keeps_polling_keeps_what_it_has_in_memory(bots: Bots) -> None:
    for _ in range(2):
        await bots.schedule(0).request(Unit.POLL, str(BITRISE))
        bots.schedule(0)._not_before = 0.0
        await bots.run(0)
    assert bots.continued == [False, True]


async def test_bots_that_are_late_at_the_same_time_poll_once(bots: Bots) -> None:
    async def run_the_other(_number: int) -> None:
        assert await bots.run(1) > 0

    bots.during = run_the_other
    await bots.run(0)
    assert bots.polls == [0]
    bots.during = None
    await asyncio.gather(bots.run(1), bots.run(0))
    assert bots.polls == [0]
    bots.skip(2 * REST)
    bots.schedule(0)._next_at = 0.0
    await asyncio.gather(bots.run(1), bots.run(0))
    assert len(bots.polls) == 2


async def test_what_was_read_before_the_lock_does_not_count(
    bots: Bots, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks = bots.repositories[0].database.session_locks
    acquire = locks.acquire

    async def acquire_late(*name: str) -> float | None:
        await bots.run(1)
        return await acquire(*name)

    monkeypatch.setattr(locks, "acquire", acquire_late)
    assert await bots.run(0) > 1
    assert bots.polls == [1]


async def test_a_requested_poll_is_made_by_whichever_bot_hears_of_it(bots: Bots) -> None:
    await bots.run(0)
    await bots.pollers_of(1).poll_now(BITRISE)
    # No sooner than the provider shall be asked again.
    assert 0 < await bots.run(1) < 1
    assert bots.polls == [0]
    bots.skip(1)
    await bots.run(1)
    assert bots.polls == [0, 1]
    assert await bots.run(0) > 1
    assert bots.polls == [0, 1]


async def test_a_poll_that_is_requested_during_a_poll_follows_at_once(bots: Bots) -> None:
    async def request(_number: int) -> None:
        bots.during = None
        await bots.schedule(1).request(Unit.POLL, str(BITRISE))
        await bots.schedule(0)._read()  # as whoever shows a Home does

    bots.during = request
    assert await bots.run(0) < 1


async def test_all_bots_know_how_the_polls_go(bots: Bots) -> None:
    first, second = bots.pollers
    bots.results = [ProviderDown("x")] * CIRCUIT_OPENS_AFTER
    for failures in range(1, CIRCUIT_OPENS_AFTER + 1):
        await bots.run(failures % 2)
        bots.skip(3600)
        for number in (0, 1):
            bots.schedule(number)._read_at = -STATUS_SECONDS
            await bots.pollers_of(number).refresh()
        await Pollers([(cast("object", _Source()), poller) for poller in bots.pollers]).refresh()  # type: ignore[misc]
        assert first.failures == second.failures == failures
        assert (first.outage is None) == (second.outage is None) == (failures < OUTAGE_AFTER)
    assert first.outage == second.outage is not None
    assert bots.probes == []
    await bots.run(0)
    assert bots.probes == [0]
    await second.schedule._read()
    assert second.last_success == first.last_success == bots.now
    assert not second.is_circuit_open


async def test_a_rate_limit_holds_for_all_bots(bots: Bots) -> None:
    bots.results = [RateLimited(NOON + timedelta(hours=1))]
    await bots.run(0)
    bots.skip(1800)
    await bots.schedule(1).request(Unit.POLL, str(BITRISE))
    assert await bots.run(1) == pytest.approx(1800)
    assert bots.polls == [0]


async def test_a_bot_that_stops_leaves_the_next_poll_to_others_but_no_pause_gets_shorter(bots: Bots) -> None:
    await bots.run(0)
    await bots.pollers[0].finish()
    bots.skip(1)
    await bots.run(1)
    assert bots.polls == [0, 1]
    # What it no longer does it can't hand over.
    await bots.pollers[0].finish()
    bots.skip(1)
    assert await bots.run(0) > REST / 2
    for number, other in ((0, 1), (1, 0)):
        bots.skip(4 * REST)
        bots.results = [ProviderDown("down") if number else RateLimited(bots.now + timedelta(hours=1))]
        await bots.run(number)
        await bots.pollers[number].finish()
        bots.skip(1)
        assert await bots.run(other) > REST / 2
        bots.skip(3600)
    assert bots.polls == [0, 1, 0, 1]


async def test_a_bot_that_was_asleep_in_the_middle_of_a_poll_changes_nothing(bots: Bots) -> None:
    async def sleep(number: int) -> None:
        bots.during = None
        await bots.repositories[number].database.session_locks.release("poll", TOKEN)
        await bots.run(1)

    bots.during = sleep
    await bots.run(0)
    assert bots.polls == [0, 1]
    status = await bots.repositories[0].polls.read(TOKEN, BITRISE)
    assert status.polled == 1
    assert await bots.run(0) > 1


async def test_a_result_is_stored_only_by_the_poll_that_is_under_way(bots: Bots) -> None:
    storage = bots.repositories[0]
    recorder = make_poll_recorder(storage.database)
    await storage.polls.read(TOKEN, BITRISE)

    def snapshot(minutes: int) -> PollSnapshot:
        return PollSnapshot(token=TOKEN, provider=BITRISE, seen_until=NOON + timedelta(minutes=minutes))

    await recorder.record(snapshot(5), at=NOON, polled=0)
    with pytest.raises(PollSuperseded):
        await recorder.record(snapshot(1), at=NOON, polled=0)
    state = await storage.watched_builds.state(TOKEN, BITRISE)
    assert state.seen_until == NOON + timedelta(minutes=5)


async def test_what_one_bot_changes_another_one_reads_again(bots: Bots) -> None:
    revisions: list[int] = []

    async def note_revision(number: int) -> None:
        revisions.append(bots.schedule(number).revision)

    bots.during = note_revision
    await bots.run(0)
    await bots.repositories[1].database.write(lambda db: raise_watch_revision(db, [BITRISE]))
    await bots.schedule(0).request(Unit.POLL, str(BITRISE))
    bots.schedule(0)._not_before = 0.0
    await bots.run(0)
    assert revisions == [0, 1]


class _Source:
    provider = BITRISE
