"""When looks are made; time is the test's, no test waits for it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta

from domain.errors import ProviderDown, RateLimited
from services.polling.poll import PollOutcome
from services.polling.poller import CIRCUIT_OPENS_AFTER, Intervals, Poller
from tests.support.factories import NOON, make_build


class FakePoll:
    """Looks that give what a test says, each announced; the intervals are either nothing or for ever."""

    def __init__(self, *results: PollOutcome | Exception, rest: float = 3600, active: float = 3600) -> None:
        self._results = list(results)
        self.made = 0
        self.found = 0
        self._made = asyncio.Event()
        self.watcher = Poller(
            self.look,
            intervals=Intervals(rest=rest, active=active),
            on_update=self.note,
            clock=lambda: NOON,
            randomness=random.Random(1),
        )

    async def look(self) -> PollOutcome:
        self.made += 1
        self._made.set()
        result = self._results.pop(0) if self._results else PollOutcome()
        if isinstance(result, Exception):
            raise result
        return result

    def note(self) -> None:
        self.found += 1

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not done():
                self._made.clear()
                await self._made.wait()

    async def run(self, done: Callable[[], bool], before: Callable[[], None] = lambda: None) -> None:
        running = asyncio.create_task(self.watcher.run())
        await self.until(lambda: self.made >= 1)
        before()
        await self.until(done)
        self.watcher.stop()
        await asyncio.wait_for(running, 30)


def changed() -> PollOutcome:
    from domain.build import BuildChange

    return PollOutcome(changes=[BuildChange(build=make_build(1), was=None)], running=True)


async def test_a_change_wakes_the_relay_and_the_next_look_comes_soon() -> None:
    looks = FakePoll(changed(), active=0.001)
    await looks.run(lambda: looks.made >= 2)
    assert looks.found == 1
    assert looks.watcher.last_success == NOON


async def test_somebody_who_asks_is_not_kept_waiting() -> None:
    looks = FakePoll()
    await looks.run(lambda: looks.made >= 2, before=looks.watcher.poll_now)


async def test_a_failure_does_not_end_the_watching_and_is_counted() -> None:
    looks = FakePoll(ProviderDown("x"), RuntimeError("a bug"), PollOutcome(), rest=0.001)
    await looks.run(lambda: looks.made >= 4)
    assert looks.watcher.failures == 0


async def test_failures_in_a_row_wait_ever_longer_up_to_a_limit() -> None:
    looks = FakePoll(rest=10)
    pauses = []
    for failures in range(1, 12):
        looks.watcher.failures = failures
        pauses.append(looks.watcher._back_off())
    assert pauses[0] < 12
    assert pauses[3] > 60
    assert max(pauses) <= 330


async def test_nobody_may_ask_before_a_rate_limit_is_over() -> None:
    looks = FakePoll(RateLimited(NOON + timedelta(hours=1)))
    running = asyncio.create_task(looks.watcher.run())
    await looks.until(lambda: looks.made == 1)
    looks.watcher.poll_now()
    for _ in range(10):
        await asyncio.sleep(0)
    assert looks.made == 1
    looks.watcher.stop()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_provider_that_keeps_failing_is_only_probed_until_it_answers() -> None:
    probes: list[int] = []
    looks = FakePoll(*[ProviderDown("x")] * CIRCUIT_OPENS_AFTER, rest=0.001)

    async def probe() -> None:
        probes.append(looks.made)
        if len(probes) < 3:
            raise ProviderDown("still down")

    looks.watcher._probe = probe
    await looks.run(lambda: looks.made > CIRCUIT_OPENS_AFTER)
    assert probes == [CIRCUIT_OPENS_AFTER] * 3
    assert looks.watcher.failures == 0
    assert not looks.watcher.is_circuit_open
