"""Jobs that only one of several bots on a database runs at a time."""

from __future__ import annotations

import asyncio

import pytest

from domain.unit import Unit
from services.actions.expiry import PendingActionExpiry
from services.jobs import background_job
from services.jobs.access_checker import AccessChecker
from services.jobs.audit_anchor import AnchorWriter
from services.jobs.background_job import BackgroundJob
from services.jobs.data_cleanup import DataCleanup
from services.jobs.temporary_files import TemporaryFileCleanup
from services.jobs.workflow_steps import WorkflowStepCompletion
from services.polling.failure_analyzer import FailureAnalyzer
from storage.session_locks import SessionLocks
from tests.support.postgres import PostgresServer
from tests.support.shared_database import open_repositories


class ExclusiveJob(BackgroundJob):
    """A job that is busy until a test lets it go on."""

    name = "exclusive"
    unit = Unit.EXPIRE
    is_exclusive = True

    def __init__(self, under_way: list[ExclusiveJob]) -> None:
        super().__init__()
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()
        self.beside: list[int] = []
        self._under_way = under_way

    async def run_once(self) -> float | None:
        self._under_way.append(self)
        self.beside.append(len(self._under_way))
        self.begun.set()
        await self.may_end.wait()
        self._under_way.remove(self)
        return None


class NotedLocks:
    """The locks of a bot, which note that it has not got one."""

    def __init__(self, locks: SessionLocks) -> None:
        self.worker, self.is_alone = locks.worker, locks.is_alone
        self.release, self.is_held = locks.release, locks.is_held
        self._locks = locks
        self.refused = asyncio.Event()

    async def acquire(self, *name: str) -> float | None:
        acquired = await self._locks.acquire(*name)
        if acquired is None:
            self.refused.set()
        return acquired


async def test_one_bot_at_a_time_runs_a_job_and_the_next_one_looks_again(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background_job, "LOCKED_SECONDS", 0.01)
    under_way: list[ExclusiveJob] = []
    jobs = [ExclusiveJob(under_way) for _ in range(2)]
    async with open_repositories(postgres) as bots, asyncio.timeout(30):
        running = []
        for job, bot in zip(jobs, bots, strict=True):
            job.locks = locks = NotedLocks(bot.database.session_locks)
            running.append(asyncio.create_task(job.run()))
            await (job.begun.wait() if job is jobs[0] else locks.refused.wait())
        assert not jobs[1].begun.is_set()
        jobs[0].may_end.set()
        await jobs[1].begun.wait()
        jobs[1].may_end.set()
        for job in jobs:
            job.stop()
        await asyncio.gather(*running)
    assert [job.beside for job in jobs] == [[1], [1]]


def test_work_for_all_bots_is_not_done_by_two_at_once() -> None:
    assert all(
        job.is_exclusive
        for job in (
            AccessChecker,
            AnchorWriter,
            DataCleanup,
            FailureAnalyzer,
            PendingActionExpiry,
            TemporaryFileCleanup,
            WorkflowStepCompletion,
        )
    )
