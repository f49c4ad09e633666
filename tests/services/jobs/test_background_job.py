"""Background jobs and their supervisor: when jobs run, and what follows an error or a stop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from services.jobs.background_job import BackgroundJob
from services.jobs.engine import LocalEngine
from services.jobs.schedule import MAX_PAUSE_SECONDS, MIN_PAUSE_SECONDS, seconds_until
from services.jobs.supervisor import Supervisor
from services.jobs.workspace_tasks import WorkspaceTasks
from storage.database import DatabaseUnavailable

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class RecordingJob(BackgroundJob):
    """A job that records its steps and then returns, raises or waits for what a test has given."""

    name = "recording"

    def __init__(self, *results: float | Exception | None, retry_seconds: float | None = None) -> None:
        super().__init__()
        self.retry_seconds = retry_seconds
        self.steps: list[str] = []
        self._results = list(results)
        self._stepped = asyncio.Event()

    def _record(self, step: str) -> None:
        self.steps.append(step)
        self._stepped.set()

    async def prepare(self) -> None:
        self._record("prepare")

    async def run_once(self) -> float | None:
        self._record("run")
        result = self._results.pop(0) if self._results else None
        if isinstance(result, Exception):
            raise result
        return result

    async def finish(self) -> None:
        self._record("finish")

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not condition():
                self._stepped.clear()
                await self._stepped.wait()


async def test_a_job_runs_when_it_is_due_and_when_it_is_woken_until_it_is_stopped() -> None:
    job = RecordingJob(0, None)
    running = asyncio.create_task(job.run())
    await job.wait_for(lambda: job.steps == ["prepare", "run", "run"])
    job.wake()
    await job.wait_for(lambda: job.steps.count("run") == 3)
    job.stop()
    await asyncio.wait_for(running, 30)
    assert job.steps == ["prepare", "run", "run", "run", "finish"]


async def test_a_job_that_is_retried_logs_its_error_and_runs_again() -> None:
    job = RecordingJob(RuntimeError("once"), retry_seconds=0)
    with capture_logs() as logs:
        running = asyncio.create_task(job.run())
        await job.wait_for(lambda: job.steps.count("run") == 2)
        job.stop()
        await asyncio.wait_for(running, 30)
    [failure] = [entry for entry in logs if entry["event"] == "job.failed"]
    assert (failure["job"], failure["failures"]) == ("recording", 1)


async def test_a_job_without_retry_ends_with_its_error() -> None:
    with pytest.raises(RuntimeError, match="for good"):
        await RecordingJob(RuntimeError("for good")).run()


async def test_a_pause_ends_when_the_job_is_stopped() -> None:
    job = RecordingJob()
    pausing = asyncio.create_task(job.pause(3600))
    job.stop()
    await asyncio.wait_for(pausing, 30)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (None, None),
        (NOON + timedelta(seconds=5), 5.0),
        (NOON + timedelta(days=1), MAX_PAUSE_SECONDS),
        (NOON - timedelta(days=1), MIN_PAUSE_SECONDS),
    ],
)
def test_a_job_looks_again_at_something_due_within_a_minute(
    time: datetime | None, expected: float | None
) -> None:
    assert seconds_until(time, NOON) == expected


async def test_a_job_that_fails_ends_everything() -> None:
    supervisor, healthy = Supervisor(LocalEngine(clock=lambda: NOON)), RecordingJob()
    supervisor.start_job(healthy)
    supervisor.start_job(RecordingJob(RuntimeError("dead")))
    with pytest.raises(RuntimeError, match="dead"):
        await asyncio.wait_for(supervisor.run(), 30)
    await supervisor.drain()
    assert healthy.steps[-1] == "finish"


async def test_a_job_does_not_start_if_its_condition_fails() -> None:
    async def refuse() -> bool:
        return False

    supervisor, job = Supervisor(LocalEngine(clock=lambda: NOON)), RecordingJob()
    supervisor.start_job(job, condition=refuse)
    await supervisor.drain()
    assert job.steps == []


async def test_what_does_not_end_in_time_is_cancelled() -> None:
    async def wait_forever() -> None:
        await asyncio.Event().wait()

    supervisor = Supervisor(LocalEngine(clock=lambda: NOON), drain_seconds=0.01)
    stuck = supervisor.start("stuck", wait_forever())
    with capture_logs() as logs:
        await supervisor.drain(wait_forever())
    assert stuck.cancelled()
    assert {entry["task"] for entry in logs if entry["event"] == "drain.late"} == {"stuck", "requests"}


async def test_tasks_of_a_workspace_end_with_it_and_others_go_on() -> None:
    async def wait_forever() -> None:
        await asyncio.Event().wait()

    tasks = WorkspaceTasks()
    gone = tasks.start(("T1", "U1"), wait_forever(), name="test")
    tasks.start(("T2", "U1"), wait_forever(), name="test")
    tasks.start(("T2", "U2"), wait_forever(), name="test")
    assert (len(tasks), tasks.count("T2"), tasks.count("T2", "U1")) == (3, 2, 1)
    tasks.forget("T1")
    await asyncio.wait({gone})
    assert gone.cancelled()
    assert list(tasks) == [("T2", "U1"), ("T2", "U2")]
    await tasks.cancel()
    assert len(tasks) == 0


async def test_every_job_waits_for_a_database_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.jobs.background_job.AGAIN_SECONDS", 0.001)

    class JobWithoutDatabase(RecordingJob):
        away = 2

        async def prepare(self) -> None:
            await super().prepare()
            if self.away:
                self.away -= 1
                raise DatabaseUnavailable("away")

        async def finish(self) -> None:
            await super().finish()
            raise DatabaseUnavailable("away again")

    job = JobWithoutDatabase(DatabaseUnavailable("away"), None)
    with capture_logs() as logs:
        running = asyncio.create_task(job.run())
        await job.wait_for(lambda: job.steps.count("run") == 2)
        job.stop()
        await asyncio.wait_for(running, 30)
    assert job.steps == ["prepare", "prepare", "prepare", "run", "run", "finish"]
    assert logs == []


async def test_all_jobs_are_woken_when_something_may_have_been_stored() -> None:
    supervisor, job = Supervisor(LocalEngine(clock=lambda: datetime.now(UTC))), RecordingJob()
    supervisor.start_job(job)
    await job.wait_for(lambda: job.steps.count("run") == 1)
    supervisor.wake_all()
    await job.wait_for(lambda: job.steps.count("run") == 2)
    await supervisor.drain()
