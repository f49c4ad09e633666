"""The polling schedule; the tests control the time and never wait for it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta

from domain.provider_errors import ProviderDown, RateLimited
from domain.unit import Unit
from providers.bitrise.provider import BITRISE
from services.events import BuildsChanged, EventBus
from services.polling.poll import PollOutcome
from services.polling.poll_schedule import PollSchedule
from services.polling.poller import CIRCUIT_OPENS_AFTER, Intervals, Poller
from storage.repositories import Repositories
from tests.support.factories import NOON, make_build


class FakePoll:
    """Polls that return a test's results, counted; intervals are either almost zero or very long."""

    def __init__(
        self,
        storage: Repositories,
        *results: PollOutcome | Exception,
        rest: float = 3600,
        active: float = 3600,
    ) -> None:
        self._results = list(results)
        self.polls = 0
        self.updates = 0
        self._polled = asyncio.Event()
        events = EventBus()
        events.subscribe(BuildsChanged, self.count_update)
        self.poller = Poller(
            BITRISE,
            self.poll,
            schedule=PollSchedule(storage, BITRISE, "t"),
            intervals=Intervals(rest=rest, active=active),
            events=events,
            clock=lambda: NOON,
            randomness=random.Random(1),
        )

    async def poll(self) -> PollOutcome:
        self.polls += 1
        self._polled.set()
        result = self._results.pop(0) if self._results else PollOutcome()
        if isinstance(result, Exception):
            raise result
        return result

    def count_update(self, _event: BuildsChanged) -> None:
        self.updates += 1

    async def wait_until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not done():
                self._polled.clear()
                await self._polled.wait()

    async def request(self) -> None:
        await self.poller.schedule.request(Unit.POLL, str(BITRISE))
        self.poller.wake()  # as the engine does

    async def run(self, done: Callable[[], bool], *, requested: bool = False) -> None:
        running = asyncio.create_task(self.poller.run())
        await self.wait_until(lambda: self.polls >= 1)
        if requested:
            await self.request()
        await self.wait_until(done)
        self.poller.stop()
        await asyncio.wait_for(running, 30)


def make_change() -> PollOutcome:
    from domain.build import BuildChange

    return PollOutcome(changes=[BuildChange(build=make_build(1), was=None)], running=True)


async def test_a_change_wakes_the_dispatcher_and_the_next_poll_comes_soon(repositories: Repositories) -> None:
    fake = FakePoll(repositories, make_change(), active=0.001)
    await fake.run(lambda: fake.polls >= 2)
    assert fake.updates == 1
    assert fake.poller.last_success == NOON


async def test_a_requested_poll_does_not_wait_for_the_interval(repositories: Repositories) -> None:
    fake = FakePoll(repositories)
    await fake.run(lambda: fake.polls >= 2, requested=True)


async def test_a_failure_does_not_end_polling(repositories: Repositories) -> None:
    fake = FakePoll(repositories, ProviderDown("x"), RuntimeError("a bug"), PollOutcome(), rest=0.001)
    await fake.run(lambda: fake.polls >= 4)
    assert fake.poller.failures == 0


async def test_pauses_grow_with_failures_in_a_row_up_to_a_limit(repositories: Repositories) -> None:
    fake = FakePoll(repositories, rest=10)
    pauses = [fake.poller._back_off(failures) for failures in range(1, 12)]
    assert pauses[0] < 12
    assert pauses[3] > 60
    assert max(pauses) <= 330


async def test_a_requested_poll_waits_until_a_rate_limit_is_over(repositories: Repositories) -> None:
    fake = FakePoll(repositories, RateLimited(NOON + timedelta(hours=1)))
    running = asyncio.create_task(fake.poller.run())
    await fake.wait_until(lambda: fake.polls == 1)
    await fake.request()
    for _ in range(10):
        await asyncio.sleep(0)
    assert fake.polls == 1
    fake.poller.stop()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_provider_that_keeps_failing_is_only_probed_until_it_answers(
    repositories: Repositories,
) -> None:
    probes: list[int] = []
    fake = FakePoll(repositories, *[ProviderDown("x")] * CIRCUIT_OPENS_AFTER, rest=0.001)

    async def probe() -> None:
        probes.append(fake.polls)
        if len(probes) < 3:
            raise ProviderDown("still down")

    fake.poller._probe = probe
    await fake.run(lambda: fake.polls > CIRCUIT_OPENS_AFTER)
    assert probes == [CIRCUIT_OPENS_AFTER] * 3
    assert fake.poller.failures == 0
    assert not fake.poller.is_circuit_open
