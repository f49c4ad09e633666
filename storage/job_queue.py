"""The queue of jobs that several bots share: procrastinate on the bot's own PostgreSQL database.

A job carries only a key: whoever takes it does all that is due for the key. So a job may be done twice, or by two
processes at once, or get lost with a process. procrastinate's locks are never used: with them, jobs of a killed process
keep others waiting (procrastinate, issues 1446 and 1543), and a wake gets lost beside one that is not committed yet.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast

import psycopg
import structlog
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.exceptions import ConnectorException, ProcrastinateException
from procrastinate.jobs import Job, JobDeferrer, Status
from procrastinate.manager import JobManager
from procrastinate.tasks import Task
from procrastinate.worker import Worker

from domain.unit import Unit
from storage.connection import Connection
from storage.database import DatabaseUnavailable
from storage.job_queue_schema import SCHEMA
from storage.postgres_connection import PostgresConnection
from storage.postgres_server import PARAMETERS

# How many jobs a worker does at a time.
CONCURRENCY = 50
# How often a worker looks for jobs of which it was not notified: those that are due at a time.
POLL_SECONDS = 1.0
# A process that has not been heard of for so long has ended.
STALLED_SECONDS = 30.0
# How long a worker that ends waits for the jobs it has begun.
GRACE_SECONDS = 5.0
# What nobody has done after this time is forgotten: no process does this kind of work.
FORGET_SECONDS = 3600.0
CONNECTIONS = 3
# How long to wait for a free connection.
CONNECTION_SECONDS = 5.0
# How many seconds late a process may still add a periodic job.
LATE_SECONDS = 3.0
CLEANUP = "cleanup"
MINUTE = 60
# Looks at everything that is due come before single keys.
SWEEP_PRIORITY = 1

# Of an outage, each of these libraries' parts logs something; what matters is in our own line.
_LOGGERS = ("procrastinate", "psycopg.pool")
Handle = Callable[[Unit, str], Awaitable[None]]
log = structlog.get_logger()


class JobQueue:
    """The queues of jobs, one for each unit, so that an older bot never takes a job that it does not know.

    `handle` does the work of one job of this process.
    """

    def __init__(self, url: str, handle: Handle) -> None:
        self._handle = handle
        self._errors = _LastError()
        for name in _LOGGERS:
            logger = logging.getLogger(name)
            logger.propagate = False
            logger.setLevel(logging.ERROR)
        connector = PsycopgConnector(
            conninfo=url,
            kwargs=dict(PARAMETERS),
            configure=_configure,
            min_size=1,
            max_size=CONNECTIONS,
            timeout=CONNECTION_SECONDS,
            reconnect_timeout=CONNECTION_SECONDS,
        )
        # A bot looks at everything when it starts, so it adds no periodic jobs that were due before.
        self.app = App(connector=connector, periodic_defaults={"max_delay": LATE_SECONDS})
        self.app.job_manager = _TolerantManager(connector)
        # Transactions run on threads, with connections that are not asynchronous.
        self._in_transactions = App(connector=SyncPsycopgConnector())
        self._tasks: dict[Unit, Task[..., Any, ...]] = {}
        for unit in Unit:
            task = partial(self._run, unit)
            self._tasks[unit] = self.app.task(name=unit.value, queue=unit.value)(_as_function(task))
        cleanup = self.app.task(name=CLEANUP, queue=CLEANUP)(_as_function(self._clean_up))
        self.app.periodic(cron="* * * * *", periodic_id=CLEANUP)(cleanup)

    def defer(self, db: Connection, unit: Unit, key: str, seconds: float | None = None) -> None:
        """Add a job that is done once the transaction is committed, after this time or at once.

        Equal jobs of one transaction are one.
        """
        transaction = cast("PostgresConnection", db)
        transaction.jobs[unit, key, seconds] = None
        transaction.before_commit["jobs"] = partial(self._add_jobs, transaction)

    def _add_jobs(self, transaction: PostgresConnection) -> None:
        """Add the transaction's jobs in one statement."""
        app = self._in_transactions
        jobs = [
            self._configure(app, unit, seconds).make_new_job(key=key)
            for unit, key, seconds in transaction.jobs
        ]
        try:
            app.job_manager.batch_defer_jobs(jobs, connection=transaction.connection)
        except ConnectorException as problem:
            # The transaction fails as if this was any other of its statements.
            raise problem.__cause__ or problem from None

    async def defer_unless_waiting(self, unit: Unit, key: str, seconds: float) -> None:
        """Add a job, unless one for the key is already waiting that is done no later. Raises DatabaseUnavailable."""
        query = (
            "SELECT EXISTS (SELECT 1 FROM procrastinate_jobs WHERE queue_name = %(queue)s AND status = 'todo'"
            " AND args ->> 'key' = %(key)s"
            " AND (scheduled_at IS NULL OR scheduled_at <= now() + make_interval(secs => %(seconds)s))) AS found"
        )
        try:
            row = await self.app.connector.execute_query_one_async(
                query, queue=unit.value, key=key, seconds=seconds
            )
            if not row["found"]:
                await self._configure(self.app, unit, seconds).defer_async(key=key)
        except (ProcrastinateException, psycopg.Error) as problem:
            raise DatabaseUnavailable(describe(problem)) from problem

    def every(self, seconds: float, unit: Unit, key: str) -> None:
        """Add a job for the key this often, whichever process thinks of it first."""
        registry = self.app.periodic_registry
        # A worker may be reading it.
        registry.periodic_tasks = dict(registry.periodic_tasks)
        decorate = self.app.periodic(
            cron=cron_of(seconds), periodic_id=key, task_kwargs={"key": key}, priority=SWEEP_PRIORITY
        )
        decorate(self._tasks[unit])

    async def open(self) -> None:
        """Connect. Raises DatabaseUnavailable."""
        for name in _LOGGERS:
            logging.getLogger(name).addHandler(self._errors)
        try:
            await self.app.open_async()
        except (ConnectorException, psycopg.Error) as problem:
            raise DatabaseUnavailable(describe(problem)) from problem

    async def close(self) -> None:
        """Close the connections, and let go of the libraries' logs."""
        await self.app.close_async()
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(self._errors)

    async def work(self, units: Sequence[Unit]) -> str:
        """Do jobs of these units until cancelled; return why that has ended by itself."""
        self._errors.text = ""
        worker = Worker(
            self.app,
            queues=[*(unit.value for unit in units), CLEANUP],
            concurrency=CONCURRENCY,
            fetch_job_polling_interval=POLL_SECONDS,
            listen_notify=True,
            delete_jobs="successful",
            install_signal_handlers=False,
            shutdown_graceful_timeout=GRACE_SECONDS,
            stalled_worker_timeout=STALLED_SECONDS,
        )
        stopped = asyncio.Event()
        running = asyncio.create_task(self._run_worker(worker, stopped), name="worker")
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            # It is not cancelled itself: in the middle of a statement that can get lost (Python 3.11, "wait_for"), and
            # the worker would take back from the queue what it returns to it, without end.
            stopped.set()
            worker.stop()  # type: ignore[no-untyped-call]
            with suppress(Exception):
                await running
            raise
        except Exception as problem:  # noqa: BLE001 - whatever it is, the caller logs it and starts another worker
            return describe(problem)
        # It ends by itself if it can't listen for jobs or show that it lives.
        return self._errors.text or "it has stopped"

    async def _run_worker(self, worker: Worker, stopped: asyncio.Event) -> None:
        await self.open()
        # A worker forgets that it was stopped before it runs.
        if not stopped.is_set():
            await worker.run()  # type: ignore[no-untyped-call]

    @staticmethod
    def _configure(app: App, unit: Unit, seconds: float | None) -> JobDeferrer:
        delay = None if seconds is None else {"milliseconds": round(seconds * 1000)}
        return app.configure_task(unit.value, queue=unit.value, schedule_in=delay)

    async def _run(self, unit: Unit, *, key: str = "", **_: Any) -> None:
        await self._handle(unit, key)

    async def _clean_up(self, **_: Any) -> None:
        """Delete jobs of processes that have ended, jobs that have failed, and jobs that nobody does."""
        await self.app.job_manager.prune_stalled_workers(STALLED_SECONDS)
        query = (
            "DELETE FROM procrastinate_jobs WHERE status IN ('succeeded', 'failed', 'cancelled', 'aborted')"
            " OR (status = 'doing' AND worker_id IS NULL)"
            " OR scheduled_at < now() - make_interval(secs => %(seconds)s)"
            " OR (scheduled_at IS NULL AND EXISTS (SELECT 1 FROM procrastinate_events"
            " WHERE job_id = procrastinate_jobs.id AND at < now() - make_interval(secs => %(seconds)s)))"
        )
        await self.app.connector.execute_query_async(query, seconds=FORGET_SECONDS)


class _TolerantManager(JobManager):
    """A manager of jobs for which it is no error that a job is gone once it is done.

    Another process has deleted it, as one of a stalled worker, if this one was paused; or the database is away, and the
    job will be deleted so.
    """

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:
        try:
            await super().finish_job(job, status, delete_job)
        except (ConnectorException, psycopg.Error) as problem:
            log.debug("job.not_finished", task=job.task_name, reason=describe(problem))


class _LastError(logging.Handler):
    """Keeps the last error that a library has logged, for our own line about it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the error's text."""
        problem = record.exc_info[1] if record.exc_info else None
        self.text = record.getMessage() if problem is None else describe(problem)


async def _configure(connection: Any) -> None:
    """Let a new connection find procrastinate's tables; all statements are short, so none is compiled."""
    await connection.execute(
        f"SELECT set_config('search_path', '{SCHEMA}', false), set_config('jit', 'off', false)"
    )
    await connection.commit()


def _as_function(work: Callable[..., Awaitable[None]]) -> Callable[..., Any]:
    """Return a plain function, which procrastinate can tell to be a coroutine's."""

    async def run(**arguments: Any) -> None:
        await work(**arguments)

    return run


def cron_of(seconds: float) -> str:
    """Return the cron expression of a period (procrastinate, "Periodic tasks"). Raises ValueError."""
    period = int(seconds)
    if period == seconds and period > 0:
        if MINUTE % period == 0 and period < MINUTE:
            return f"* * * * * */{period}"
        minutes, rest = divmod(period, MINUTE)
        if not rest and 60 % minutes == 0 and minutes < 60:
            return f"*/{minutes} * * * *"
    raise ValueError(f"no period of cron: {seconds} seconds")


def describe(problem: BaseException) -> str:
    """Return what a library says in one line; procrastinate wraps the driver's errors."""
    cause = problem.__cause__ or problem
    return " ".join(str(cause).split()) or type(cause).__name__
