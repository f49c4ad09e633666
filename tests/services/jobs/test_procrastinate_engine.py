"""The engine of several bots on one PostgreSQL server: wakes as jobs of a queue that all of them take from."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from domain.unit import Unit
from services.jobs.background_job import BackgroundJob
from services.jobs.engine import sweep
from services.jobs.procrastinate_engine import ProcrastinateEngine
from storage.connection import Connection
from storage.database import Database
from storage.database_url import open_database
from storage.job_queue import CLEANUP, cron_of
from tests.support.postgres import PostgresServer

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
SECONDS = 60
DAY = 86_400.0


class KeyedJob(BackgroundJob):
    """A job that records what it is run for, and returns or raises what a test has given for the key."""

    name = "keyed"
    unit = Unit.DELIVER
    key: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[str] = []
        self.results: dict[str, list[float | Exception]] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.changed = asyncio.Condition()

    async def run_once(self) -> float | None:
        raise AssertionError("it is run for keys")

    async def run_for(self, key: str) -> float | None:
        async with self.changed:
            self.runs.append(key)
            self.changed.notify_all()
        if key in self.held:
            await self.held[key].wait()
        if not self.results.get(key):
            return None
        result = self.results[key].pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    async def wait_for(self, key: str, count: int = 1) -> None:
        async with asyncio.timeout(SECONDS), self.changed:
            await self.changed.wait_for(lambda: self.runs.count(key) >= count)


class StepJob(KeyedJob):
    """A job of another unit, with one key."""

    name = "steps"
    unit = Unit.CONCLUDE_STEP
    key = ""


class Bots:
    """Engines on one database, as of several bots."""

    def __init__(self, url: str, database: Database, exit_stack: AsyncExitStack) -> None:
        self.url, self.database = url, database
        self._exit_stack = exit_stack
        self.now = NOON

    def new_engine(self, **options: Any) -> ProcrastinateEngine:
        engine = ProcrastinateEngine(self.url, clock=lambda: self.now, **options)
        self.database.use_engine(engine.wake)
        return engine

    async def start(self, *jobs: KeyedJob, engine: ProcrastinateEngine | None = None) -> None:
        """Start a bot with these jobs, once it takes jobs from the queue."""
        running = engine or self.new_engine()
        before = await self.select("SELECT COUNT(*) FROM procrastinate_workers")
        tasks = [asyncio.create_task(running.run(job)) for job in jobs]

        async def end() -> None:
            running.stop()
            for job in jobs:
                job.stop()
            await asyncio.gather(*tasks, return_exceptions=True)

        self._exit_stack.push_async_callback(end)
        for job in jobs:
            await job.wait_for("")
        await self.wait_until("SELECT COUNT(*) FROM procrastinate_workers", lambda rows: rows > before)

    async def wake(self, *keys: str, at: datetime | None = None) -> None:
        await self.database.wake(Unit.DELIVER, keys, at=at)

    async def select(self, query: str) -> list[tuple[Any, ...]]:
        def read(db: Connection) -> list[tuple[Any, ...]]:
            return db.execute(query).fetchall()

        return await self.database.read(read)

    async def wait_until(self, query: str, condition: Callable[[list[tuple[Any, ...]]], bool]) -> None:
        async with asyncio.timeout(SECONDS):
            while not condition(await self.select(query)):  # noqa: ASYNC110 - a row has no event
                await asyncio.sleep(0.02)


async def wait_until(condition: Callable[..., bool]) -> None:
    """Wait for what any of several jobs has done."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110 - each job has an event of its own
            await asyncio.sleep(0.02)


JOBS = "SELECT args ->> 'key', status::text, scheduled_at IS NOT NULL FROM procrastinate_jobs WHERE queue_name = 'deliver'"
NEXT_STEPS = "SELECT ROUND(EXTRACT(EPOCH FROM scheduled_at - now()) / 86400) FROM procrastinate_jobs WHERE queue_name = 'conclude_step' ORDER BY 1"


@pytest.fixture
async def bots(postgres: PostgresServer) -> AsyncIterator[Bots]:
    url = postgres.new_database()
    async with AsyncExitStack() as exit_stack:
        database = await open_database(url)
        exit_stack.push_async_callback(database.close)
        yield Bots(url, database, exit_stack)
    postgres.recycle_database(url)


async def test_a_wake_is_a_job_of_its_transaction_that_one_of_the_bots_does_when_it_is_notified(
    bots: Bots, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.job_queue.POLL_SECONDS", 3600.0)

    def fail(db: Connection) -> None:
        db.wake(Unit.DELIVER, "never")
        raise ValueError("rolled back")

    def wake_twice(db: Connection) -> None:
        for key in ("a", "b", "a"):
            db.wake(Unit.DELIVER, key)

    bots.new_engine()  # of a process that only takes requests
    with pytest.raises(ValueError, match="rolled back"):
        await bots.database.write(fail)
    assert await bots.select(JOBS) == []
    await bots.database.write(wake_twice)
    assert await bots.select(JOBS) == [("a", "todo", False), ("b", "todo", False)]
    first, second = KeyedJob(), KeyedJob()
    await bots.start(first)
    await first.wait_for("a")
    await first.wait_for("b")
    await bots.start(second)
    await bots.wake("c")
    await wait_until(lambda: "c" in first.runs + second.runs)
    await bots.wait_until(JOBS, lambda rows: not rows)
    assert sorted(key for key in first.runs + second.runs if key) == ["a", "b", "c"]


async def test_a_bot_takes_no_jobs_of_units_that_it_does_not_run(bots: Bots) -> None:
    steps, deliveries = StepJob(), KeyedJob()
    await bots.start(steps)
    await bots.wake("a")
    await bots.database.wake(Unit.CONCLUDE_STEP)
    await steps.wait_for("", 2)
    assert await bots.select(JOBS) == [("a", "todo", False)]
    await bots.start(deliveries)
    await deliveries.wait_for("a")


async def test_the_next_look_of_all_bots_is_one_job(bots: Bots, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without sweeps, so that no two runs end at the same time.
    monkeypatch.setattr("storage.job_queue.JobQueue.every", lambda *_: None)
    jobs = StepJob(), StepJob()
    for job in jobs:
        job.results[""] = [6 * DAY] * 10
        await bots.start(job)
        await bots.wait_until(NEXT_STEPS, lambda rows: rows == [(6,)])
    for number in (3, 4):
        await bots.database.wake(Unit.CONCLUDE_STEP)
        await wait_until(lambda count=number: sum(len(job.runs) for job in jobs) >= count)
    for job in jobs:
        job.results[""].insert(0, 3 * DAY)
    await bots.database.wake(Unit.CONCLUDE_STEP)
    # One that is to be done earlier is added.
    await bots.wait_until(NEXT_STEPS, lambda rows: rows == [(3,), (6,)])


async def test_a_wake_for_a_time_is_done_then(bots: Bots) -> None:
    job = KeyedJob()
    await bots.start(job)
    await bots.wake("later", at=bots.now + timedelta(minutes=10))
    await bots.wake("past", at=bots.now - timedelta(minutes=10))
    await bots.wake("soon", at=bots.now + timedelta(seconds=1.5))
    await job.wait_for("past")
    await job.wait_for("soon")
    assert "later" not in job.runs
    await bots.wait_until(JOBS, lambda rows: rows == [("later", "todo", True)])


async def test_one_of_the_bots_looks_for_what_nobody_has_woken(bots: Bots) -> None:
    jobs = KeyedJob(), KeyedJob()
    for job in jobs:
        engine = bots.new_engine()
        sweep(engine)
        engine.every(1, Unit.DELIVER, "every second")
        engine.every(1, Unit.DELIVER)
        await bots.start(job, engine=engine)
    for key in ("", "every second"):
        await wait_until(lambda key=key: sum(job.runs.count(key) for job in jobs) >= 4)


async def test_a_failed_key_is_tried_again_by_any_bot_and_an_error_without_retry_ends_the_bot(
    bots: Bots,
) -> None:
    job = KeyedJob()
    job.retry_seconds, job.results["a"] = 2.0, [OSError()]
    await bots.start(job)
    with capture_logs() as logs:
        await bots.wake("a")
        await bots.wait_until(JOBS, lambda rows: rows == [("a", "todo", True)])
        await job.wait_for("a", 2)
    assert [entry["again_in_seconds"] for entry in logs if entry["event"] == "job.failed"] == [2.0]

    engine, deadly = bots.new_engine(), KeyedJob()
    deadly.results[""] = [RuntimeError("dead")]
    with pytest.raises(RuntimeError, match="dead"):
        await asyncio.wait_for(engine.run(deadly), SECONDS)


async def test_a_bot_that_stops_leaves_its_work_to_the_others(
    bots: Bots, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping, staying = KeyedJob(), KeyedJob()
    engine = bots.new_engine()
    # Without a sweep, whose job would do, too.
    monkeypatch.setattr(engine.queue, "every", lambda *_: None)
    await bots.start(stopping, engine=engine)
    engine.stop()
    stopping.stop()
    await bots.wait_until(JOBS, lambda rows: rows == [("", "todo", True)])
    await bots.wait_until("SELECT COUNT(*) FROM procrastinate_workers", lambda rows: rows == [(0,)])
    await bots.start(staying)
    await bots.wait_until(JOBS, lambda rows: not rows)


async def test_a_bot_that_stops_gives_back_what_it_has_taken(
    bots: Bots, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, engine = KeyedJob(), bots.new_engine()
    monkeypatch.setattr(engine.queue, "every", lambda *_: None)
    await bots.start(job, engine=engine)
    job.held["C1"] = asyncio.Event()
    await bots.wake("C1")
    await job.wait_for("C1")
    await bots.wait_until(JOBS, lambda rows: rows == [("C1", "doing", False)])
    engine.stop()
    job.held["C1"].set()
    await bots.wait_until(JOBS, lambda rows: rows == [("C1", "todo", True)])


async def test_a_worker_that_dies_is_replaced(bots: Bots, postgres: PostgresServer) -> None:
    job = KeyedJob()
    await bots.start(job)
    with capture_logs() as logs:
        # As for a process that was paused, and whose jobs others have deleted.
        await bots.database.write(lambda db: db.execute("DELETE FROM procrastinate_workers"))
        await bots.wake("a")
        await job.wait_for("a")
    assert [entry["event"] for entry in logs if entry["event"].startswith("jobs.")] == [
        "jobs.worker_restarted"
    ]
    postgres.end_connections(bots.url)
    await bots.wake("b")
    await job.wait_for("b")


async def hold(url: str) -> None:
    """Be a bot that takes a job and does not end it."""
    job = KeyedJob()
    job.held["a"] = asyncio.Event()
    await ProcrastinateEngine(url, clock=lambda: NOON, run_seconds=3600.0).run(job)


async def test_what_a_killed_bot_had_taken_is_not_done_again_but_found_by_the_sweep(bots: Bots) -> None:
    bots.new_engine()
    await bots.wake("a")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"import asyncio, {__name__} as bot; asyncio.run(bot.hold({bots.url!r}))"
    )
    try:
        await bots.wait_until(JOBS, lambda rows: rows == [("a", "doing", False)])
    finally:
        process.kill()
        await process.wait()
    engine, job = bots.new_engine(), KeyedJob()
    engine.every(1, Unit.DELIVER)
    await bots.start(job, engine=engine)
    await job.wait_for("", 3)
    assert ("a", "doing", False) in await bots.select(JOBS)
    # Its heartbeat is too old after half a minute.
    await bots.database.write(
        lambda db: db.execute(
            "UPDATE procrastinate_workers SET last_heartbeat = now() - INTERVAL '31 seconds'"
            " WHERE id = (SELECT worker_id FROM procrastinate_jobs WHERE args ->> 'key' = 'a')"
        )
    )
    await engine.queue.app.configure_task(CLEANUP, queue=CLEANUP).defer_async()
    await bots.wait_until(JOBS, lambda rows: all(key != "a" for key, *_ in rows))
    await job.wait_for("", len(job.runs) + 2)
    assert "a" not in job.runs


async def test_jobs_that_nobody_does_and_failed_ones_are_deleted(bots: Bots) -> None:
    engine = bots.new_engine()
    await bots.wake("forgotten")
    await bots.wake("later", at=bots.now + timedelta(days=1))

    def age(db: Connection) -> None:
        db.execute("UPDATE procrastinate_events SET at = now() - INTERVAL '61 minutes'")

    def fail(db: Connection) -> None:
        db.execute("UPDATE procrastinate_jobs SET status = 'failed' WHERE args ->> 'key' = 'failed'")

    await bots.database.write(age)
    await bots.wake("new", "failed")
    await bots.database.write(fail)
    await engine.queue.open()
    await engine.queue.app.tasks[CLEANUP].func()
    await engine.queue.close()
    assert sorted(key for key, *_ in await bots.select(JOBS)) == ["later", "new"]


async def test_no_job_has_a_lock_of_procrastinates(bots: Bots) -> None:
    engine, job = bots.new_engine(), StepJob()
    sweep(engine)
    job.results[""] = [6 * DAY]
    await bots.start(job, engine=engine)
    await bots.wait_until(NEXT_STEPS, bool)
    # A periodic job is there for a moment only.
    await engine.queue.app.configure_task(CLEANUP, queue="nobody's").defer_async()
    for unit in Unit:
        await bots.database.wake(unit, ["a", "b"], at=bots.now + timedelta(days=1))
    rows = await bots.select("SELECT queue_name, lock, queueing_lock FROM procrastinate_jobs")
    assert {queue for queue, *_ in rows} >= {*Unit}
    assert {(lock, queueing_lock) for _, lock, queueing_lock in rows} == {(None, None)}
    tasks = {id(task): task for task in engine.queue.app.tasks.values()}.values()
    assert {unit.value for unit in Unit} <= {task.name for task in tasks}
    assert [(task.lock, task.queueing_lock) for task in tasks] == [(None, None)] * len(tasks)
    periodic = engine.queue.app.periodic_registry.periodic_tasks.values()
    assert {task.task.name for task in periodic} == {CLEANUP, Unit.CONCLUDE_STEP}
    for task in periodic:
        configured = task.task.configure(**task.configure_kwargs).job
        assert (configured.lock, configured.queueing_lock) == (None, None)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(5.0, "* * * * * */5"), (60.0, "*/1 * * * *"), (300.0, "*/5 * * * *")],
)
def test_a_period_is_a_line_of_cron(seconds: float, expected: str) -> None:
    assert cron_of(seconds) == expected


@pytest.mark.parametrize("seconds", [0.0, 0.5, 7.0, 90.0, 3600.0])
def test_other_periods_are_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="no period of cron"):
        cron_of(seconds)
