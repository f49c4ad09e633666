"""The PostgreSQL database: connections, transactions, and what happens while the server is away."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from typing import Any, Self, TypeVar

import psycopg
import structlog
from psycopg import IsolationLevel, errors, sql

from storage.database import (
    CommitUnconfirmed,
    Database,
    DatabaseIncomplete,
    DatabaseInUse,
    DatabaseMissing,
    DatabaseNewer,
    DatabaseNotWritable,
    DatabaseOlder,
    DatabaseProblem,
    DatabaseUnavailable,
    Work,
    run_callbacks,
)
from storage.postgres_connection import FlagDumper, PostgresConnection
from storage.postgres_migrations import MIGRATIONS, in_postgres

T = TypeVar("T")

# Transactions mostly wait, so that they run on a few threads at the same time, each with a connection of its own.
THREADS = 8
# How long a transaction waits for a server that restarts before it fails, counted from the outage's beginning; and how
# often the server is tried again.
WAIT_SECONDS = 10.0
RETRY_SECONDS = 1.0
# The server notices only a moment later that a connection was closed, or its process killed.
GUARD_SECONDS = 1.0
# How long the server may take to answer that it is there, and how long `close` waits for transactions under way.
ANSWER_SECONDS = 10.0
CLOSE_SECONDS = 5.0
# At most one line in the log per this time about transactions that the server refuses, for example on a full disk.
QUIET_SECONDS = 60.0
# A connection that nobody answers any more fails after 20 seconds (PostgreSQL, "libpq",
# "Parameter Key Words"). After a failover, a server that only takes reads is none for the bot.
PARAMETERS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,
    "target_session_attrs": "read-write",
}
# The table that a database has as long as a copy into it (storage.database_copy) has not ended.
COPY_TABLE = "buildbell_copy"
# Which of the server's refusals are only for the moment: it starts, stops, or has no free connection.
_FOR_A_MOMENT = ("57P01", "57P02", "57P03", "53300")
_FOR_A_MOMENT_TEXTS = (
    "starting up",
    "shutting down",
    "recovery",
    "accepting connections",
    "too many c",
    "connection slots",
)

Psycopg = psycopg.Connection[Any]

log = structlog.get_logger()


class _ConnectionLost(Exception):
    """The connection broke before the transaction was committed, so that it can be repeated."""


class _NoConnection(Exception):
    """The server takes no connection."""


class PostgresDatabase(Database):
    """A database on a PostgreSQL server, for one bot.

    Reads see one moment (REPEATABLE READ); writes are READ COMMITTED and take named locks where they need them. While
    the server is away, transactions wait for a while without a thread, and then raise DatabaseUnavailable. So they do
    while the lock that keeps other bots out is not held.
    """

    def __init__(self, url: str, guard: Psycopg | None, *, wait_seconds: float = WAIT_SECONDS) -> None:
        super().__init__()
        self._wait_seconds = wait_seconds
        self._url = url
        self._guard = guard
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="postgres")
        self._local = threading.local()
        self._connections: set[Psycopg] = set()
        self._available = asyncio.Event()
        self._available.set()
        # When the outage began, by the event loop's clock, and what the log says of it.
        self._away_since = 0.0
        self._outage: Exception | None = None
        self._refused_at: float | None = None
        self._must_check = asyncio.Event()
        self._reconnecting: asyncio.Task[None] | None = None
        self._watching = asyncio.create_task(self._watch(), name="watching the database")

    @classmethod
    async def open(cls, url: str, *, wait_seconds: float = WAIT_SECONDS) -> Self:
        """Connect, wait for a server that is down, migrate the schema, and keep other bots out.

        Raises DatabaseInUse, DatabaseNewer, DatabaseMissing or DatabaseNotWritable, each with what to do.
        """
        has_waited = False
        while True:
            guard = await _wait_for_server(url, has_waited=has_waited)
            try:
                await asyncio.to_thread(_take_guard, guard)
                await asyncio.to_thread(_migrate, guard)
                return cls(url, guard, wait_seconds=wait_seconds)
            except psycopg.OperationalError:
                # It went away again.
                guard.close()
                has_waited = True
            except BaseException:
                guard.close()
                raise

    @classmethod
    async def open_shared(cls, url: str) -> Self:
        """Connect for a short command, while a bot may be running.

        The schema must be exactly this version's; nothing is migrated. Raises DatabaseMissing, DatabaseNewer,
        DatabaseOlder, DatabaseNotWritable or DatabaseUnavailable, each with what to do.
        """

        def check() -> None:
            with closing(_connect(url)) as connection:
                _check_schema(connection)

        try:
            await asyncio.to_thread(check)
        except psycopg.OperationalError as problem:
            raise _refusal(problem) or DatabaseUnavailable(
                f"the database server does not answer: {_describe(problem)}. Start it, or change DATABASE_URL."
            ) from problem
        return cls(url, None)

    @property
    def is_available(self) -> bool:
        """Whether the server answers, and no other bot has taken the database."""
        return self._available.is_set()

    async def read(self, work: Work[T]) -> T:
        """Run `work`, which only reads; all that it reads is from one moment. Raises DatabaseUnavailable."""
        return await self._run(work, IsolationLevel.REPEATABLE_READ, read_only=True)

    async def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction: all of it is on the server's disk when this returns, or none of it.

        Raises DatabaseUnavailable; CommitUnconfirmed if the connection was lost during the commit.
        """
        return await self._run(work, IsolationLevel.READ_COMMITTED, read_only=False)

    async def erase(self, work: Work[T], *, tables: Sequence[str] = ()) -> T:
        """Run `work` in one transaction, and free at once the space of what it deleted from these tables."""
        result = await self.write(work)
        await self._vacuum(tables)
        return result

    async def rewrite(self) -> bool:
        """Free the space of deleted rows in all tables. What the server's own log keeps is its operator's matter."""
        return await self._vacuum(())

    async def rewrite_if_marked(self) -> bool:
        """Do nothing: PostgreSQL's autovacuum frees the space of deleted rows."""
        return False

    async def close(self) -> None:
        """Finish queued work and close all connections. A server that does not answer is not waited for."""
        self._watching.cancel()
        await asyncio.gather(
            self._watching, *((self._reconnecting,) if self._reconnecting else ()), return_exceptions=True
        )
        ending = asyncio.create_task(asyncio.to_thread(self._threads.shutdown))
        if not (await asyncio.wait({ending}, timeout=CLOSE_SECONDS))[0]:
            for connection in list(self._connections):
                _break(connection)
        await ending
        for connection in (*self._connections, *((self._guard,) if self._guard else ())):
            connection.close()

    async def _run(self, work: Work[T], isolation: IsolationLevel, *, read_only: bool) -> T:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait_seconds
        while True:
            await self._wait_until_available(deadline)
            try:
                return await loop.run_in_executor(
                    self._threads, self._transact, work, isolation, read_only, loop
                )
            except _NoConnection as problem:
                self._note_outage(problem.__cause__ or problem)
            except _ConnectionLost as problem:
                # Only this connection may have been ended; the next try finds out.
                if loop.time() > deadline:
                    raise DatabaseUnavailable(str(problem)) from problem
            except errors.DeadlockDetected:
                # One of the transactions that wait for each other is ended by the server, whole; the others go on.
                if loop.time() > deadline:
                    raise
            except CommitUnconfirmed as problem:
                log.warning("database.commit_unconfirmed", reason=str(problem))
                self._must_check.set()
                self.report_unconfirmed()
                raise
            except psycopg.OperationalError as problem:
                self._log_refusal(problem)
                raise DatabaseUnavailable(_describe(problem)) from problem
            await asyncio.sleep(0.02)

    async def _wait_until_available(self, deadline: float) -> None:
        """Wait for a server that is away. Raises DatabaseUnavailable once the outage is too long to wait for."""
        while not self._available.is_set():
            try:
                async with asyncio.timeout_at(min(deadline, self._away_since + self._wait_seconds)):
                    await self._available.wait()
            except TimeoutError:
                raise DatabaseUnavailable(str(self._outage or "it does not answer")) from None

    def _transact(
        self, work: Work[T], isolation: IsolationLevel, read_only: bool, loop: asyncio.AbstractEventLoop
    ) -> T:
        connection = self._connection_of_thread()
        committing = False
        try:
            connection.isolation_level, connection.read_only = isolation, read_only
            # A new one for each try, so that what a failed try has collected is forgotten.
            transaction = PostgresConnection(connection, self._on_wake)
            result = work(transaction)
            committing = True
            connection.commit()
            run_callbacks(loop, transaction.take_callbacks())
        except BaseException as problem:
            with suppress(psycopg.Error):
                connection.rollback()
            if not connection.closed or not isinstance(problem, psycopg.OperationalError):
                raise
            # A read can be repeated, and so can a write of which the server has not been asked to keep anything.
            if committing and not read_only:
                raise CommitUnconfirmed(_describe(problem)) from problem
            raise _ConnectionLost(_describe(problem)) from problem
        return result

    def _connection_of_thread(self) -> Psycopg:
        """Return the connection of this thread, a new one if it was lost. Raises _NoConnection."""
        connection: Psycopg | None = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            self._connections.discard(connection)
            try:
                connection = self._local.connection = _connect(self._url)
            except psycopg.OperationalError as problem:
                raise _NoConnection from problem
            connection.autocommit = False
            self._connections.add(connection)
        return connection

    async def _vacuum(self, tables: Sequence[str]) -> bool:
        """Return whether the server has done it; otherwise its autovacuum does it later."""

        def vacuum() -> None:
            with closing(_connect(self._url)) as connection:
                names = sql.SQL(", ").join(map(sql.Identifier, tables))
                connection.execute(sql.SQL("VACUUM {}").format(names))

        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, vacuum)
        except psycopg.OperationalError as problem:
            log.warning("database.not_vacuumed", reason=_describe(problem))
            return False
        return True

    async def _watch(self) -> None:
        """Notice that the server is away, and take the lock that keeps other bots out again once it is back."""
        while True:
            await self._pause()
            if self._available.is_set() and self._guard is not None:
                if await self._guard_holds(self._guard):
                    continue
                # Until the lock is held again, another bot may take the database.
                self._available.clear()
                self._away_since = asyncio.get_running_loop().time()
            if self._available.is_set():
                continue
            try:
                self._reconnecting = asyncio.create_task(asyncio.to_thread(self._reconnect))
                await asyncio.shield(self._reconnecting)
            except (psycopg.Error, DatabaseInUse) as problem:
                self._note_outage(problem)
                self._must_check.clear()
            else:
                if self._outage is not None:
                    log.warning("database.available")
                self._outage = None
                self._available.set()

    async def _pause(self) -> None:
        """Wait a second; less if a connection was lost, or if the server says something, such as that it stops."""
        loop, guard = asyncio.get_running_loop(), self._guard
        is_readable = self._available.is_set() and guard is not None and not guard.closed
        descriptor = guard.fileno() if guard is not None and is_readable else None
        if descriptor is not None:
            loop.add_reader(descriptor, self._must_check.set)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._must_check.wait()
        finally:
            if descriptor is not None:
                loop.remove_reader(descriptor)
            self._must_check.clear()

    async def _guard_holds(self, guard: Psycopg) -> bool:
        """Return whether the connection that keeps other bots out still stands."""
        answer = asyncio.create_task(asyncio.to_thread(guard.execute, "SELECT 1"))
        if not (await asyncio.wait({answer}, timeout=ANSWER_SECONDS))[0]:
            _break(guard)
        try:
            await answer
        except psycopg.Error:
            return False
        return True

    def _reconnect(self) -> None:
        """Make sure that the lock is held, and that the server takes connections. Raises DatabaseInUse."""
        if self._guard is None:
            _connect(self._url).close()
            return
        self._guard.close()
        guard = _connect(self._url)
        try:
            _take_guard(guard)
        except BaseException:
            guard.close()
            raise
        self._guard = guard

    def _note_outage(self, problem: BaseException) -> None:
        if self._available.is_set():
            self._available.clear()
            self._away_since = asyncio.get_running_loop().time()
        self._must_check.set()
        reason = _describe(problem) if isinstance(problem, psycopg.Error) else str(problem)
        outage = DatabaseInUse(reason) if isinstance(problem, DatabaseInUse) else DatabaseUnavailable(reason)
        # One line for an outage, however its reason changes while the server stops and starts.
        if type(outage) is not type(self._outage):
            log.warning("database.unavailable", reason=reason)
        self._outage = outage

    def _log_refusal(self, problem: psycopg.OperationalError) -> None:
        now = asyncio.get_running_loop().time()
        if self._refused_at is None or now - self._refused_at >= QUIET_SECONDS:
            self._refused_at = now
            log.warning("database.refused", reason=_describe(problem))


def _connect(url: str) -> Psycopg:
    connection = psycopg.connect(url, autocommit=True, **PARAMETERS)  # type: ignore[arg-type]
    connection.adapters.register_dumper(bool, FlagDumper)
    try:
        # All statements are short; to compile one takes longer than to run it (PostgreSQL, "When to JIT?").
        connection.execute("SET jit = off")
    except BaseException:
        connection.close()
        raise
    return connection


def _break(connection: Psycopg) -> None:
    """End a connection on which another thread waits, which is the only thing to do with it that is safe."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as channel:
        channel.shutdown(socket.SHUT_RDWR)


def _close_result(connecting: asyncio.Task[Psycopg]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()


async def _wait_for_server(url: str, *, has_waited: bool = False) -> Psycopg:
    """Connect, as soon as the server answers; log once that it does not. Raises DatabaseProblem if it refuses."""
    while True:
        try:
            connecting = asyncio.create_task(asyncio.to_thread(_connect, url))
            try:
                connection = await asyncio.shield(connecting)
            except asyncio.CancelledError:
                connecting.add_done_callback(_close_result)
                raise
        except psycopg.OperationalError as problem:
            if (refusal := _refusal(problem)) is not None:
                raise refusal from problem
            if not has_waited:
                log.warning("database.unavailable", reason=_describe(problem))
            has_waited = True
            await asyncio.sleep(RETRY_SECONDS)
        else:
            if has_waited:
                log.warning("database.available")
            return connection


def _refusal(problem: psycopg.OperationalError) -> DatabaseProblem | None:
    """Return what is wrong with DATABASE_URL; None if the server may only be down."""
    text = _describe(problem)
    if problem.sqlstate in _FOR_A_MOMENT or (problem.sqlstate is None and "FATAL" not in text):
        return None
    if any(words in text for words in _FOR_A_MOMENT_TEXTS):
        return None
    if "does not exist" in text and "database" in text:
        return DatabaseMissing(f"DATABASE_URL: {text}. Create it: createdb buildbell.")
    return DatabaseNotWritable(f"DATABASE_URL: the database server refuses the bot: {text}.")


def _describe(problem: psycopg.Error) -> str:
    """Return the server's words in one line. psycopg quotes no password."""
    return " ".join(str(problem).split()).removeprefix("connection is bad: ").removesuffix(".")


def _lock_number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _take_guard(connection: Psycopg) -> None:
    """Keep other bots out as long as this connection lasts. Raises DatabaseInUse."""
    deadline = time.monotonic() + GUARD_SECONDS
    while True:
        row = connection.execute(
            "SELECT pg_try_advisory_lock(%s)", [_lock_number("buildbell run")]
        ).fetchone()
        if row and row[0]:
            return
        if time.monotonic() > deadline:
            raise DatabaseInUse(
                "another Buildbell uses this database. Stop that one, or set DATABASE_URL to another database."
            )
        time.sleep(0.02)


def _migrate(connection: Psycopg) -> None:
    """Apply missing migrations, in one transaction, while no other process does. Raises DatabaseProblem."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_lock_number("buildbell migrations")])
        applied = _applied(connection)
        _check_newer(applied)
        try:
            if not applied:
                connection.execute(
                    "CREATE TABLE buildbell_migrations (name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL)"
                )
            for name, statements in MIGRATIONS.items():
                if name not in applied:
                    for statement in statements:
                        connection.execute(in_postgres(statement))
                    connection.execute("INSERT INTO buildbell_migrations VALUES (%s, now())", [name])
        except errors.InsufficientPrivilege as problem:
            raise DatabaseNotWritable(
                f"DATABASE_URL: the bot's user may not create tables ({_describe(problem)}). Make it the owner of"
                " the database."
            ) from problem


async def describe_database(url: str) -> str:
    """Return the server's version and the state of the schema, without changing anything. Raises DatabaseProblem."""

    def describe() -> str:
        with closing(_connect(url)) as connection:
            applied = _applied(connection)
            _check_newer(applied)
            version = connection.info.server_version
            state = (
                "will be set up"
                if not applied
                else "ok"
                if applied >= set(MIGRATIONS)
                else "will be migrated"
            )
            return f"PostgreSQL {version // 10_000}.{version % 10_000} at {connection.info.host}, {state}"

    try:
        return await asyncio.to_thread(describe)
    except psycopg.OperationalError as problem:
        raise _refusal(problem) or DatabaseUnavailable(
            f"the database server does not answer: {_describe(problem)}. Start it, or change DATABASE_URL."
        ) from problem


def prepare_database(url: str) -> None:
    """Migrate the schema of a database, without opening it."""
    with closing(_connect(url)) as connection:
        _migrate(connection)


@contextmanager
def connect_for_copy(url: str) -> Iterator[Psycopg]:
    """Connect without a bot, and keep bots out meanwhile. Raises DatabaseProblem."""
    try:
        connection = _connect(url)
    except psycopg.OperationalError as problem:
        raise _refusal(problem) or DatabaseUnavailable(_describe(problem)) from problem
    try:
        _take_guard(connection)
        yield connection
    finally:
        connection.close()


def prepare_for_copy(connection: Psycopg) -> None:
    """Create the tables in an empty database; any other must have exactly this version's. Raises DatabaseProblem."""
    if _applied(connection):
        _check_schema(connection)
    else:
        _migrate(connection)


def _check_schema(connection: Psycopg) -> None:
    applied = _applied(connection)
    if not applied:
        raise DatabaseMissing(
            "there is no data of Buildbell in this database. Set DATABASE_URL to the bot's own."
        )
    _check_newer(applied)
    if older := set(MIGRATIONS) - applied:
        raise DatabaseOlder(
            f"the database was written by an older Buildbell (it lacks {', '.join(sorted(older))})."
            " Start the bot of this version once, which brings it up to date."
        )


def _check_newer(applied: set[str]) -> None:
    if newer := applied - set(MIGRATIONS):
        raise DatabaseNewer(
            f"the database was written by a newer Buildbell (it knows {', '.join(sorted(newer))})."
            " Start that version again, or restore the backup made before the update."
        )


def _applied(connection: Psycopg) -> set[str]:
    """Return the names of the applied migrations; none if the database is empty. Raises DatabaseProblem."""
    tables = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    ).fetchall()
    if (COPY_TABLE,) in tables:
        raise DatabaseIncomplete(
            "the copy into this database has not ended. Run the same `buildbell copy-database` again: it continues."
        )
    if ("buildbell_migrations",) in tables:
        return {name for (name,) in connection.execute("SELECT name FROM buildbell_migrations")}
    if tables:
        raise DatabaseNotWritable(
            "DATABASE_URL: the database has tables of another program. Set it to a database of Buildbell's own."
        )
    return set()
