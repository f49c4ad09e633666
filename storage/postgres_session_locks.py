"""The session of one bot among several at a PostgreSQL server, and the locks that it holds there.

A lock ends with the session, as soon as the server notices its end: a killed process's at once, that of a machine that
has vanished by TCP keepalives. A process that is only paused keeps its locks. Whoever is cut off from the server can't
know whether it still has them, so a lock counts only while the session has been seen alive a short time ago:

  0 s  the session was seen alive for the last time (every 2 s)
  5 s  nothing begins any more that only the lock's holder may do
 15 s  a message to Slack that began just before has ended
 20 s  the server may end the session, and so another bot get the lock (at 25 s at the latest)
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

import psycopg

from storage.database import DatabaseUnavailable
from storage.postgres_server import (
    Psycopg,
    break_connection,
    connect,
    describe_error,
    lock_number,
    prepare_session,
)
from storage.session_locks import Name

T = TypeVar("T")

# Between two proofs that the session is alive, how long one counts, and how long the server may take to answer.
PROOF_SECONDS = 2.0
VALID_SECONDS = 5.0
ANSWER_SECONDS = 10.0


class PostgresSessionLocks:
    """One session and its locks. All statements run one after the other on a thread of their own.

    `worker` is None for a command, which does not count as a bot. The database watches the session: it calls `prove`
    regularly, and `restore` when the session has ended; with it all locks are lost.
    """

    is_alone = False

    def __init__(
        self,
        url: str,
        connection: Psycopg,
        *,
        worker: str | None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`connection` is a session that was prepared already (`prepare_session`)."""
        self.worker = worker or ""
        self._url = url
        self._connection = connection
        self._timer = timer
        self._proven_at = timer()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="postgres session")
        self._under_way = 0
        # A session gets its own lock twice, so the tasks of this process need a set beside it. A name stays in it until
        # it is released, also if the lock was lost meanwhile.
        self._acquired: set[Name] = set()
        # The locks of the present session; changed only on the thread.
        self._held: set[Name] = set()

    @property
    def is_idle(self) -> bool:
        """Whether the session waits for no answer, so that all that the server says is news."""
        return self._under_way == 0

    def duplicate_socket(self) -> int | None:
        """Return a new descriptor of the session's socket, which the caller closes; None if the session has ended.

        The driver closes its own on the thread when the connection is lost, and its number may soon be another's.
        """
        with suppress(OSError, psycopg.Error):
            return os.dup(self._connection.fileno())
        return None

    async def acquire(self, *name: str) -> float | None:
        """Acquire the lock at once; return when that was. None if another bot or task has it.

        Raises DatabaseUnavailable.
        """
        if name in self._acquired:
            return None
        self._acquired.add(name)
        try:
            acquired_at = await self._run(self._lock, name)
        except BaseException:
            # It may be acquired nevertheless, and is then released right after.
            self._acquired.discard(name)
            with suppress(RuntimeError):  # after the end
                self._thread.submit(self._unlock, name)
            raise
        if acquired_at is None:
            self._acquired.discard(name)
        return acquired_at

    async def release(self, *name: str) -> None:
        """Release the lock; nothing happens if it was lost, or after the end."""
        try:
            with suppress(DatabaseUnavailable):
                await self._run(self._unlock, name)
        finally:
            self._acquired.discard(name)

    def is_held(self, *name: str) -> bool:
        """Return whether the session has the lock, and was seen alive in the last seconds."""
        return (
            name in self._held
            and not self._connection.closed
            and self._timer() - self._proven_at < VALID_SECONDS
        )

    async def prove(self) -> bool:
        """Let the server prove that the session is alive. Returns whether it is; one without an answer is ended."""
        connection, proof = self._connection, self._start(self._execute, "SELECT 1")
        if not (await asyncio.wait({proof}, timeout=ANSWER_SECONDS))[0]:
            break_connection(connection)
        try:
            await asyncio.shield(proof)
        except psycopg.Error:
            return False
        return True

    async def restore(self) -> None:
        """Open a new session if this one has ended, and make sure that the server takes connections.

        Raises psycopg.Error or DatabaseInUse.
        """
        is_alive = await self.prove()
        await asyncio.shield(self._start(self._connect_for_test if is_alive else self._reconnect))

    async def close(self) -> None:
        """End the session, and so release all locks. A server that does not answer is not waited for."""
        ending = asyncio.create_task(asyncio.to_thread(self._thread.shutdown))
        if not (await asyncio.wait({ending}, timeout=ANSWER_SECONDS / 2))[0]:
            break_connection(self._connection)
        await ending
        self._held.clear()
        self._connection.close()

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        """Run `work` on the thread, to its end even if nobody waits for it any more. Raises DatabaseUnavailable."""
        try:
            return await asyncio.shield(self._start(work, *arguments))
        except psycopg.Error as problem:
            raise DatabaseUnavailable(describe_error(problem)) from problem

    def _start(self, work: Callable[..., T], *arguments: object) -> asyncio.Future[T]:
        try:
            running = asyncio.wrap_future(self._thread.submit(work, *arguments))
        except RuntimeError as problem:
            raise DatabaseUnavailable("the database is closed") from problem
        self._under_way += 1
        running.add_done_callback(self._note_end)
        return running

    def _note_end(self, running: asyncio.Future[T]) -> None:
        self._under_way -= 1
        if not running.cancelled():
            running.exception()  # nobody may wait for it

    def _execute(self, statement: str, *parameters: object) -> object:
        """Run a statement on the thread; return the first value of its result. Raises psycopg.Error."""
        asked_at = self._timer()
        row = self._connection.execute(statement, parameters or None).fetchone()
        # The server has answered, at some moment since then.
        self._proven_at = asked_at
        return row and row[0]

    def _lock(self, name: Name) -> float | None:
        if not self._execute("SELECT pg_try_advisory_lock(%s)", lock_number("session", *name)):
            return None
        self._held.add(name)
        return self._timer()

    def _unlock(self, name: Name) -> None:
        if name not in self._held:
            return
        self._held.discard(name)
        try:
            self._execute("SELECT pg_advisory_unlock(%s)", lock_number("session", *name))
        except psycopg.Error:
            # A lock that nobody will release must end with its session.
            self._held.clear()
            break_connection(self._connection)

    def _connect_for_test(self) -> None:
        connect(self._url).close()

    def _reconnect(self) -> None:
        """Open a new session. Raises psycopg.Error or DatabaseInUse."""
        self._held.clear()
        self._connection.close()
        asked_at = self._timer()
        self._connection = open_session(self._url, self.worker or None)
        self._proven_at = asked_at


def open_session(url: str, worker: str | None) -> Psycopg:
    """Connect with a session for locks. Raises psycopg.Error or DatabaseInUse."""
    connection = connect(url)
    try:
        prepare_session(connection, worker)
    except BaseException:
        connection.close()
        raise
    return connection
