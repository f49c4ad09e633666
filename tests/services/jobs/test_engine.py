"""The engine of a single bot, on both databases: when a wake within a transaction makes a job run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from domain.unit import Unit
from services.jobs.background_job import BackgroundJob
from services.jobs.engine import SWEEP_SECONDS, SWEPT, LocalEngine, sweep
from storage.connection import Connection
from storage.database import Database
from storage.database_url import open_database
from tests.support.postgres import PostgresServer

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class KeyedJob(BackgroundJob):
    """A job that records the keys that it is run for; `held` ones do not end before `release`."""

    name = "keyed"
    unit = Unit.DELIVER
    key = None

    def __init__(self, retry_seconds: float | None = None) -> None:
        super().__init__()
        self.retry_seconds = retry_seconds
        self.runs: list[str] = []
        self.errors: dict[str, list[Exception]] = {}
        self.held: dict[str, asyncio.Event] = {}
        self._ran = asyncio.Event()

    async def run_once(self) -> float | None:
        raise AssertionError("it is run for keys")

    async def run_for(self, key: str) -> float | None:
        self.runs.append(key)
        self._ran.set()
        if key in self.held:
            await self.held[key].wait()
        if self.errors.get(key):
            raise self.errors[key].pop(0)
        return None

    async def wait_for(self, *runs: str) -> None:
        """Wait until it was run for these keys, in any order, since the start, where it is run for the empty one."""
        async with asyncio.timeout(30):
            while sorted(self.runs) != sorted(["", *runs]):
                self._ran.clear()
                await self._ran.wait()


class EngineHarness:
    """An engine with one job, a clock and a timer that only a test moves."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.now, self.seconds = NOON, 0.0
        self.engine = LocalEngine(clock=lambda: self.now, timer=lambda: self.seconds)
        database.use_engine(self.engine.wake)
        self.job = KeyedJob()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        task = asyncio.create_task(self.engine.run(self.job))
        await self.job.wait_for()
        try:
            yield task
        finally:
            self.job.stop()
            await asyncio.wait({task}, timeout=30)

    async def wake(self, key: str, at: datetime | None = None) -> None:
        await self.database.wake(Unit.DELIVER, [key], at=at)


@pytest.fixture
def harness(database: Database) -> EngineHarness:
    return EngineHarness(database)


async def test_a_job_runs_once_its_transaction_is_committed_and_not_before(harness: EngineHarness) -> None:
    runs_inside: list[list[str]] = []

    def work(db: Connection) -> None:
        db.wake(Unit.DELIVER, "a")
        # The job would see nothing of what the transaction has written.
        runs_inside.append(list(harness.job.runs))

    async with harness.running():
        await harness.database.write(work)
        await harness.job.wait_for("a")
    assert runs_inside == [[""]]


async def test_a_transaction_that_is_rolled_back_wakes_nothing(harness: EngineHarness) -> None:
    def fail(db: Connection) -> None:
        db.wake(Unit.DELIVER, "never")
        raise ValueError("rolled back")

    async with harness.running():
        with pytest.raises(ValueError, match="rolled back"):
            await harness.database.write(fail)
        await harness.wake("a")
        await harness.job.wait_for("a")


async def test_what_follows_a_commit_comes_before_whoever_waits_for_the_transaction(
    database: Database,
) -> None:
    order: list[str] = []
    await database.write(lambda db: db.after_commit(lambda: order.append("callback")))
    order.append("caller")
    await database.erase(lambda db: db.after_commit(lambda: order.append("erased")), tables=("accounts",))
    assert order == ["callback", "caller", "erased"]


async def test_wakes_of_other_units_and_without_an_engine_do_nothing(harness: EngineHarness) -> None:
    async with harness.running():
        await harness.database.wake(Unit.PRUNE)
        await harness.wake("a")
        await harness.job.wait_for("a")


async def test_equal_wakes_are_one_and_a_key_is_run_once_more_if_it_is_woken_meanwhile(
    harness: EngineHarness,
) -> None:
    release = harness.job.held["a"] = asyncio.Event()
    async with harness.running():
        await harness.database.wake(Unit.DELIVER, ["a", "a", "b"])
        await harness.job.wait_for("a", "b")
        for _ in range(3):
            await harness.wake("a")
        await harness.wake("c")  # runs beside the one that is not done
        await harness.job.wait_for("a", "b", "c")
        release.set()
        await harness.job.wait_for("a", "b", "c", "a")


async def test_a_job_runs_at_the_time_for_which_it_is_woken(harness: EngineHarness) -> None:
    async with harness.running():
        for key, minutes in (("late", 20), ("early", 10), ("late", 20)):
            await harness.wake(key, NOON + timedelta(minutes=minutes))
        await harness.wake("a")
        await harness.job.wait_for("a")
        harness.now += timedelta(minutes=10)
        await harness.wake("b")  # so that the engine reads the clock
        await harness.job.wait_for("a", "b", "early")
        harness.now += timedelta(minutes=10)
        await harness.wake("c")
        await harness.job.wait_for("a", "b", "early", "c", "late")


async def test_what_nobody_has_woken_is_looked_for_every_minute(harness: EngineHarness) -> None:
    sweep(harness.engine)
    assert Unit.DELIVER in SWEPT
    async with harness.running():
        await harness.wake("a")
        await harness.job.wait_for("a")
        for number in range(1, 3):
            harness.seconds += SWEEP_SECONDS
            await harness.wake("a")
            await harness.job.wait_for("a", *["a", "", "b"] * (number - 1), "a", "")
            await harness.wake("b")  # so that the end of the run is noticed before the time goes on
            await harness.job.wait_for("a", *["a", "", "b"] * number)


async def wait_for_failures(logs: Sequence[Mapping[str, Any]], count: int) -> None:
    """Wait until so many failures are noticed: the next try counts from then."""
    async with asyncio.timeout(30):
        while sum(entry["event"] == "job.failed" for entry in logs) < count:  # noqa: ASYNC110 - a log has no event
            await asyncio.sleep(0.005)


async def test_a_failed_key_is_tried_again_later_each_time_and_others_are_not(harness: EngineHarness) -> None:
    harness.job.retry_seconds, harness.job.errors = 10.0, {"a": [OSError(), OSError()]}
    with capture_logs() as logs:
        async with harness.running():
            await harness.wake("a")
            await harness.job.wait_for("a")
            await harness.wake("b")
            await harness.job.wait_for("a", "b")
            await wait_for_failures(logs, 1)
            harness.seconds += 10
            await harness.wake("b")
            await harness.job.wait_for("a", "b", "b", "a")
            await wait_for_failures(logs, 2)
            harness.seconds += 10
            await harness.wake("c")
            await harness.job.wait_for("a", "b", "b", "a", "c")
            harness.seconds += 10
            await harness.wake("c")
            await harness.job.wait_for("a", "b", "b", "a", "c", "c", "a")
    failed = [entry for entry in logs if entry["event"] == "job.failed"]
    assert [(entry["failures"], entry["again_in_seconds"]) for entry in failed] == [(1, 10.0), (2, 20.0)]


async def test_an_error_that_is_not_to_be_retried_ends_the_run(harness: EngineHarness) -> None:
    harness.job.errors = {"a": [RuntimeError("dead")]}
    async with harness.running() as task:
        await harness.wake("a")
        with pytest.raises(RuntimeError, match="dead"):
            await asyncio.wait_for(asyncio.shield(task), 30)


async def test_a_stopped_job_ends_what_it_has_begun_and_begins_nothing(harness: EngineHarness) -> None:
    release = harness.job.held["a"] = asyncio.Event()
    async with harness.running() as task:
        await harness.wake("a")
        await harness.job.wait_for("a")
        harness.job.stop()
        await harness.wake("b")
        assert not task.done()
        release.set()
        await asyncio.wait_for(asyncio.shield(task), 30)
        assert harness.job.runs == ["", "a"]


def _noted(order: list[str], text: str) -> Callable[[], None]:
    return lambda: order.append(text)


async def test_a_transaction_that_is_repeated_after_a_deadlock_wakes_once(postgres: PostgresServer) -> None:
    from psycopg.errors import DeadlockDetected  # an optional dependency

    order: list[str] = []
    tries = 0

    def work(db: Connection) -> None:
        nonlocal tries
        tries += 1
        db.after_commit(_noted(order, f"try {tries}"))
        if tries == 1:
            raise DeadlockDetected

    url = postgres.new_database()
    database = await open_database(url)
    await database.write(work)
    await database.close()
    postgres.drop_database(url)
    assert order == ["try 2"]
