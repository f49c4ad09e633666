"""The cache: ages, sizes, and loads that several requests share."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from services.cache import Cache

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class CountingLoader:
    """Loads a number that grows with each load; a load can be made to wait or to fail."""

    def __init__(self) -> None:
        self.now = NOON
        self.cache = Cache[str, int | None](max_age=MINUTE, max_size=2, clock=lambda: self.now)
        self.loads = 0
        self.error: Exception | None = None
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def fetch(self) -> int:
        self.loads += 1
        number = self.loads
        await self.may_end.wait()
        if self.error is not None:
            raise self.error
        return number

    async def load(self, key: str = "a", *, max_age: timedelta | None = None) -> int | None:
        return await self.cache.load(key, self.fetch, max_age=max_age)


async def test_a_value_is_loaded_again_when_it_is_too_old() -> None:
    loader = CountingLoader()
    assert [await loader.load(), await loader.load()] == [1, 1]
    loader.now += MINUTE / 2
    assert await loader.load() == 1
    assert await loader.load(max_age=MINUTE / 4) == 2
    loader.now += MINUTE
    assert loader.cache.get("a") is None
    assert await loader.load() == 3


async def test_the_least_recently_used_values_are_dropped() -> None:
    loader = CountingLoader()
    for key in ("a", "b", "a", "c"):
        await loader.load(key)
    assert loader.cache.get("a") == 1
    assert loader.cache.get("b") is None


async def test_none_is_a_value() -> None:
    loader = CountingLoader()
    loader.cache.store("a", None)
    assert await loader.load() is None
    assert loader.loads == 0


async def test_requests_share_a_load_that_goes_on_if_one_of_them_is_cancelled() -> None:
    loader = CountingLoader()
    loader.may_end.clear()
    first, second = asyncio.create_task(loader.load()), asyncio.create_task(loader.load())
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait({first})
    loader.may_end.set()
    assert await second == 1
    assert loader.loads == 1
    assert first.cancelled()


async def test_an_error_reaches_every_request_and_is_not_stored() -> None:
    loader = CountingLoader()
    loader.error = ValueError("no answer")
    results = await asyncio.gather(loader.load(), loader.load(), return_exceptions=True)
    assert [str(result) for result in results] == ["no answer", "no answer"]
    loader.error = None
    assert await loader.load() == 2


@pytest.mark.parametrize("stored", [True, False])
async def test_a_load_that_began_before_a_change_is_not_stored(stored: bool) -> None:
    loader = CountingLoader()
    loader.may_end.clear()
    before = asyncio.create_task(loader.load())
    await asyncio.sleep(0)
    if stored:
        loader.cache.store("a", 7)
    else:
        loader.cache.forget(lambda key: key == "a")
    loader.may_end.set()
    assert await before == 1
    assert loader.cache.get("a") == (7 if stored else None)


async def test_only_matching_values_are_forgotten() -> None:
    loader = CountingLoader()
    await loader.load("a")
    await loader.load("b")
    loader.cache.forget(lambda key: key == "a")
    assert loader.cache.get("a") is None
    assert loader.cache.get("b") == 2
    loader.cache.forget()
    assert loader.cache.get("b") is None
