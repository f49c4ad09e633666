"""The PostgreSQL database: connections, transactions, and what happens while the server is away."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Self, TypeVar

import psycopg
import structlog
from psycopg import IsolationLevel, errors, sql
from psycopg.pq import TransactionStatus

from storage.database import (
    CommitUnconfirmed,
    Database,
    DatabaseInUse,
    DatabaseUnavailable,
    Listener,
    Work,
    run_callbacks,
)
from storage.postgres_connection import PostgresConnection
from storage.postgres_listener import PostgresListener
from storage.postgres_server import (
    RETRY_SECONDS,
    Psycopg,
    break_connection,
    check_schema,
    check_sessions,
    connect,
    describe_error,
    migrate,
    no_answer,
    prepare_session,
    refusal_of,
    wait_for_server,
)
from storage.postgres_session_locks import PROOF_SECONDS, PostgresSessionLocks, open_session
from storage.session_locks import new_worker

T = TypeVar("T")

# Transactions mostly wait, so that they run on a few threads at the same time, each with a connection of its own.
THREADS = 4
# How long a transaction waits for a server that restarts before it fails, counted from the outage's beginning.
WAIT_SECONDS = 10.0
# How long `close` waits for transactions under way.
CLOSE_SECONDS = 5.0
# At most one line in the log per this time about transactions that the server refuses, for example on a full disk.
QUIET_SECONDS = 60.0
log = structlog.get_logger()


class _ConnectionLost(Exception):
    """The connection broke before the transaction was committed, so that it can be repeated."""


class _NoConnection(Exception):
    """The server takes no connection."""


class PostgresDatabase(Database):
    """A database on a PostgreSQL server, for any number of bots.

    Reads see one moment (REPEATABLE READ); writes are READ COMMITTED and take named locks where they need them. While
    the server is away, transactions wait for a while without a thread, and then raise DatabaseUnavailable. So they do
    while a copy into the database has taken it from the bot, during an outage.
    """

    def __init__(
        self, url: str, session_locks: PostgresSessionLocks, *, wait_seconds: float = WAIT_SECONDS
    ) -> None:
        super().__init__(session_locks)
        self.session_locks: PostgresSessionLocks = session_locks
        self._wait_seconds = wait_seconds
        self._url = url
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="postgres")
        self._local = threading.local()
        self._connections: set[Psycopg] = set()
        self._available = asyncio.Event()
        self._available.set()
        # When the outage began, by the event loop's clock, and what the log says of it.
        self._away_since = 0.0
        self._outage: Exception | None = None
        self._refused_at: float | None = None
        # Names this process in its notices, which it has delivered to itself already.
        self._origin = secrets.token_hex(8)
        self._listening: asyncio.Task[None] | None = None
        self._must_check = asyncio.Event()
        self._reconnecting: asyncio.Task[None] | None = None
        self._watching = asyncio.create_task(self._watch(), name="watching the database")

    @classmethod
    async def open(cls, url: str, *, wait_seconds: float = WAIT_SECONDS) -> Self:
        """Connect, wait for a server that is down, and migrate the schema. Other bots may run at the same time.

        Raises DatabaseInUse, DatabaseNewer, DatabaseMissing, DatabaseNotWritable or DatabasePooled, each with what
        to do.
        """
        has_waited, worker = False, new_worker()
        while True:
            connection = await wait_for_server(url, has_waited=has_waited)
            try:
                await asyncio.to_thread(check_sessions, url, connection)
                await asyncio.to_thread(prepare_session, connection, worker)
                await asyncio.to_thread(migrate, connection)
                session_locks = PostgresSessionLocks(url, connection, worker=worker)
                return cls(url, session_locks, wait_seconds=wait_seconds)
            except psycopg.OperationalError:
                # It went away again.
                connection.close()
                has_waited = True
                await asyncio.sleep(RETRY_SECONDS)
            except BaseException:
                connection.close()
                raise

    @classmethod
    async def open_shared(cls, url: str) -> Self:
        """Connect for a short command, while a bot may be running.

        The schema must be exactly this version's; nothing is migrated. Raises DatabaseMissing, DatabaseNewer,
        DatabaseOlder, DatabaseNotWritable or DatabaseUnavailable, each with what to do.
        """

        def check() -> Psycopg:
            connection = open_session(url, None)
            try:
                check_schema(connection)
            except BaseException:
                connection.close()
                raise
            return connection

        try:
            connection = await asyncio.to_thread(check)
        except psycopg.OperationalError as problem:
            raise refusal_of(problem) or no_answer(problem) from problem
        return cls(url, PostgresSessionLocks(url, connection, worker=None))

    @property
    def is_available(self) -> bool:
        """Whether the server answers, and no copy has taken the database."""
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

    def listen(self, topic: str, callback: Listener, *, of_others: bool = False) -> None:
        """Call this with each notice of the topic, also of other bots; with None if some may have been missed."""
        super().listen(topic, callback, of_others=of_others)
        if self._listening is None:
            listener = PostgresListener(
                self._url, self._origin, deliver=self.deliver_of_others, missed=self.deliver_missed
            )
            self._listening = asyncio.create_task(listener.run(), name="listening to the database")

    async def close(self) -> None:
        """Finish queued work and close all connections. A server that does not answer is not waited for."""
        self._watching.cancel()
        if self._listening is not None:
            self._listening.cancel()
        tasks = (self._watching, self._listening, self._reconnecting)
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)
        ending = asyncio.create_task(asyncio.to_thread(self._threads.shutdown))
        if not (await asyncio.wait({ending}, timeout=CLOSE_SECONDS))[0]:
            for connection in list(self._connections):
                break_connection(connection)
        await ending
        for connection in self._connections:
            connection.close()
        await self.session_locks.close()

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
                self.deliver_missed()
                self.report_unconfirmed()
                raise
            except psycopg.OperationalError as problem:
                self._log_refusal(problem)
                raise DatabaseUnavailable(describe_error(problem)) from problem
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
            transaction.on_notify, transaction.origin = self.deliver, self._origin
            result = work(transaction)
            for step in transaction.before_commit.values():
                step()
            committing = True
            connection.commit()
            run_callbacks(loop, transaction.take_callbacks())
        except BaseException as problem:
            with suppress(psycopg.Error):
                connection.rollback()
            if connection.info.transaction_status is not TransactionStatus.IDLE:
                # The server has ended it in the middle of a statement; psycopg notices only with the next one.
                connection.close()
            if not connection.closed or not isinstance(problem, psycopg.OperationalError):
                raise
            # A read can be repeated, and so can a write of which the server has not been asked to keep anything.
            if committing and not read_only:
                raise CommitUnconfirmed(describe_error(problem)) from problem
            raise _ConnectionLost(describe_error(problem)) from problem
        return result

    def _connection_of_thread(self) -> Psycopg:
        """Return the connection of this thread, a new one if it was lost. Raises _NoConnection."""
        connection: Psycopg | None = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            self._connections.discard(connection)
            try:
                connection = self._local.connection = connect(self._url)
            except psycopg.OperationalError as problem:
                raise _NoConnection from problem
            connection.autocommit = False
            self._connections.add(connection)
        return connection

    async def _vacuum(self, tables: Sequence[str]) -> bool:
        """Return whether the server has done it; otherwise its autovacuum does it later."""

        def vacuum() -> None:
            with closing(connect(self._url)) as connection:
                names = sql.SQL(", ").join(map(sql.Identifier, tables))
                connection.execute(sql.SQL("VACUUM {}").format(names))

        try:
            await asyncio.get_running_loop().run_in_executor(self._threads, vacuum)
        except psycopg.OperationalError as problem:
            log.warning("database.not_vacuumed", reason=describe_error(problem))
            return False
        return True

    async def _watch(self) -> None:
        """Notice that the server is away or the session has ended, and open another once the server is back."""
        while True:
            await self._pause()
            if self._available.is_set():
                if await self.session_locks.prove():
                    continue
                # Until the session is back, a copy may take the database.
                self._available.clear()
                self._away_since = asyncio.get_running_loop().time()
            try:
                self._reconnecting = asyncio.create_task(self.session_locks.restore())
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
        """Wait for a moment; less if a connection was lost, or if the server says something, such as that it stops."""
        loop, is_available = asyncio.get_running_loop(), self._available.is_set()
        descriptor = self.session_locks.duplicate_socket() if is_available else None
        if descriptor is not None:
            loop.add_reader(descriptor, self._check_news)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PROOF_SECONDS if is_available else RETRY_SECONDS):
                    await self._must_check.wait()
        finally:
            if descriptor is not None:
                loop.remove_reader(descriptor)
                os.close(descriptor)
            self._must_check.clear()

    def _check_news(self) -> None:
        if self.session_locks.is_idle:
            self._must_check.set()

    def _note_outage(self, problem: BaseException) -> None:
        if self._available.is_set():
            self._available.clear()
            self._away_since = asyncio.get_running_loop().time()
        self._must_check.set()
        reason = describe_error(problem) if isinstance(problem, psycopg.Error) else str(problem)
        outage = DatabaseInUse(reason) if isinstance(problem, DatabaseInUse) else DatabaseUnavailable(reason)
        # One line for an outage, however its reason changes while the server stops and starts.
        if type(outage) is not type(self._outage):
            log.warning("database.unavailable", reason=reason)
        self._outage = outage

    def _log_refusal(self, problem: psycopg.OperationalError) -> None:
        now = asyncio.get_running_loop().time()
        if self._refused_at is None or now - self._refused_at >= QUIET_SECONDS:
            self._refused_at = now
            log.warning("database.refused", reason=describe_error(problem))
