"""The PostgreSQL server: connecting to it, its refusals, the locks of running bots, and the schema."""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import shlex
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg
import structlog
from psycopg import errors, sql

from storage.database import (
    DatabaseIncomplete,
    DatabaseInUse,
    DatabaseMissing,
    DatabaseNewer,
    DatabaseNotWritable,
    DatabaseOlder,
    DatabasePooled,
    DatabaseProblem,
    DatabaseUnavailable,
)
from storage.job_queue_schema import SCHEMA, apply_schema
from storage.postgres_connection import WORKER_LOCKS, FlagDumper
from storage.postgres_migrations import CONTRACTING, MIGRATIONS, in_postgres

# How often the server is tried again.
RETRY_SECONDS = 1.0
# The server notices only a moment later that a connection was closed, or its process killed.
LOCK_SECONDS = 1.0
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
# The same for the server's side of a session that holds locks (PostgreSQL, "Connections and Authentication").
SERVER_KEEPALIVES = {
    "tcp_keepalives_idle": 10,
    "tcp_keepalives_interval": 5,
    "tcp_keepalives_count": 2,
    # On Linux it would take the place of the others (tcp(7)).
    "tcp_user_timeout": 0,
}
# How long a change of the schema waits for a table that is used, each time (PostgreSQL, "lock_timeout") and in all.
LOCK_TIMEOUT = "2s"
DDL_SECONDS = 120.0
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


def connect(url: str) -> Psycopg:
    """Connect, with autocommit. Raises psycopg.OperationalError."""
    connection = psycopg.connect(url, autocommit=True, **PARAMETERS)  # type: ignore[arg-type]
    connection.adapters.register_dumper(bool, FlagDumper)
    try:
        # All statements are short; to compile one takes longer than to run it (PostgreSQL, "When to JIT?"). Jobs are
        # added in the transactions that make them necessary, so procrastinate's tables are found from each connection.
        connection.execute(
            "SELECT set_config('jit', 'off', false), set_config('search_path',"
            " concat_ws(', ', NULLIF(current_setting('search_path'), ''), %s::text), false)",
            [SCHEMA],
        )
    except BaseException:
        connection.close()
        raise
    return connection


async def connect_in_thread(connect: Callable[[], Psycopg]) -> Psycopg:
    """Connect beside the event loop. If this is cancelled, a connection that comes about later is closed at once."""
    executor = ThreadPoolExecutor(1, thread_name_prefix="postgres connect")
    connecting = executor.submit(connect)
    executor.shutdown(wait=False)
    try:
        return await asyncio.wrap_future(connecting)
    except asyncio.CancelledError:
        # On the thread, for the event loop may be closed by then.
        connecting.add_done_callback(_close_result)
        raise


def _close_result(connecting: Future[Psycopg]) -> None:
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()


async def wait_for_server(url: str, *, has_waited: bool = False) -> Psycopg:
    """Connect, as soon as the server answers; log once that it does not. Raises DatabaseProblem if it refuses."""
    while True:
        try:
            connection = await connect_in_thread(partial(connect, url))
        except psycopg.OperationalError as problem:
            if (refusal := refusal_of(problem)) is not None:
                raise refusal from problem
            if not has_waited:
                log.warning("database.unavailable", reason=describe_error(problem))
            has_waited = True
            await asyncio.sleep(RETRY_SECONDS)
        else:
            if has_waited:
                log.warning("database.available")
            return connection


def refusal_of(problem: psycopg.OperationalError) -> DatabaseProblem | None:
    """Return what is wrong with DATABASE_URL; None if the server may only be down."""
    text = describe_error(problem)
    if problem.sqlstate in _FOR_A_MOMENT or (problem.sqlstate is None and "FATAL" not in text):
        return None
    if any(words in text for words in _FOR_A_MOMENT_TEXTS):
        return None
    if missing := re.search('database "(.+)" does not exist', text):
        return DatabaseMissing(f"DATABASE_URL: {text}. Create it: createdb {shlex.quote(missing[1])}.")
    return DatabaseNotWritable(f"DATABASE_URL: the database server rejected the connection: {text}.")


def describe_error(problem: psycopg.Error) -> str:
    """Return the server's words in one line, without libpq's question. psycopg quotes no password."""
    text = " ".join(str(problem).split()).removeprefix("connection is bad: ")
    return re.sub(r" Is the server running[^?]*\?", "", text).removesuffix(".")


def no_answer(problem: psycopg.Error) -> DatabaseUnavailable:
    """Return what to say to somebody who waits for the server."""
    return DatabaseUnavailable(
        f"the database server does not answer: {describe_error(problem)}. Start it, or change DATABASE_URL."
    )


def lock_number(*name: str) -> int:
    """Return the number of an advisory lock."""
    return int.from_bytes(hashlib.sha256("\n".join(name).encode()).digest()[:8], signed=True)


def prepare_session(connection: Psycopg, worker: str | None) -> None:
    """Prepare a session that holds locks; that of a bot says from now on that a bot runs, and which process it is.

    The server ends it 20 to 25 seconds after the client's machine has vanished: until then the client may believe that
    it has its locks. Raises DatabaseInUse while a copy into the database runs.
    """
    for name, value in SERVER_KEEPALIVES.items():
        connection.execute(sql.SQL("SET {} = {}").format(sql.Identifier(name), sql.Literal(value)))
    if worker is None:
        return
    _acquire_bot_lock(
        connection,
        "pg_try_advisory_lock_shared",
        "`buildbell copy-database` or a bot of an older version uses this database. Wait for the copy to finish, or"
        " stop that bot.",
    )
    # Shared, because the server may not have noticed yet that this process's session before this one has ended.
    connection.execute("SELECT pg_advisory_lock_shared(%s)", [WORKER_LOCKS << 48 | int(worker, 16)])


def check_sessions(url: str, connection: Psycopg) -> None:
    """Check that each connection keeps a session of its own. Raises DatabasePooled, or psycopg.OperationalError."""
    with closing(connect(url)) as other:
        processes = [_find_process(each) for _ in range(3) for each in (connection, other)]
    if not have_own_sessions(processes[::2], processes[1::2]):
        raise DatabasePooled(
            "DATABASE_URL: goes through a connection pooler in transaction mode, where locks get lost. Connect to"
            " the server itself, or set the pooler to session mode (PgBouncer: pool_mode=session)."
        )


def _find_process(connection: Psycopg) -> object:
    """Return the server's process that runs the connection's transactions now."""
    return connection.execute("SELECT pg_backend_pid()").fetchone()


def have_own_sessions(processes: Sequence[object], others: Sequence[object]) -> bool:
    """Return whether two connections that took turns have kept a session each; given are the server's processes.

    A pooler in transaction mode gives each transaction a free session: the same to both, or each time another.
    """
    return len({*processes}) == len({*others}) == 1 and processes[0] != others[0]


@dataclass(frozen=True)
class Keepalives:
    """When the server ends the session of a machine that has vanished."""

    is_tcp: bool
    idle: int
    interval: int
    count: int

    @property
    def seconds(self) -> int:
        """How long the session lasts at least."""
        return self.idle + self.interval * self.count

    @property
    def problem(self) -> str | None:
        """What the server has made of the values of `prepare_session`, if not what they are."""
        if not self.is_tcp or self == EXPECTED_KEEPALIVES:
            return None
        return (
            f"the server keeps tcp_keepalives_idle={self.idle}, tcp_keepalives_interval={self.interval} and"
            f" tcp_keepalives_count={self.count} instead of {EXPECTED_KEEPALIVES.idle},"
            f" {EXPECTED_KEEPALIVES.interval} and {EXPECTED_KEEPALIVES.count}, so it notices too late or too early that"
            " a machine has vanished"
        )


EXPECTED_KEEPALIVES = Keepalives(
    True,
    SERVER_KEEPALIVES["tcp_keepalives_idle"],
    SERVER_KEEPALIVES["tcp_keepalives_interval"],
    SERVER_KEEPALIVES["tcp_keepalives_count"],
)


def read_keepalives(url: str) -> Keepalives:
    """Return the keepalives of a session as bots have it. Raises psycopg.OperationalError."""
    with closing(connect(url)) as connection:
        prepare_session(connection, None)
        row = connection.execute(
            "SELECT inet_client_addr() IS NOT NULL, current_setting('tcp_keepalives_idle')::int,"
            " current_setting('tcp_keepalives_interval')::int, current_setting('tcp_keepalives_count')::int"
        ).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    return Keepalives(*row)


def _acquire_bot_lock(connection: Psycopg, function: str, refusal: str) -> None:
    """Acquire the lock that each bot shares, and that a copy needs for itself. Raises DatabaseInUse."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        row = connection.execute(f"SELECT {function}(%s)", [lock_number("buildbell run")]).fetchone()
        if row and row[0]:
            return
        if time.monotonic() > deadline:
            raise DatabaseInUse(refusal)
        time.sleep(0.02)


def break_connection(connection: Psycopg) -> None:
    """End a connection on which another thread waits, which is the only thing to do with it that is safe."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as channel:
        channel.shutdown(socket.SHUT_RDWR)


def migrate(connection: Psycopg) -> None:
    """Apply missing migrations while no other process does. Raises DatabaseProblem.

    A table that a transaction uses is waited for only shortly, since new transactions would have to wait behind this
    one; then all of it is tried again.
    """
    deadline = time.monotonic() + DDL_SECONDS
    while True:
        try:
            _migrate(connection)
        except errors.LockNotAvailable as problem:
            if time.monotonic() > deadline:
                raise DatabaseInUse(
                    f"a table can't be changed, because another program has used it for {DDL_SECONDS:.0f} seconds."
                    " Find that program in pg_stat_activity, stop it, and try again."
                ) from problem
            log.warning("database.migration_waits", reason=describe_error(problem))
            time.sleep(RETRY_SECONDS)
        except errors.InsufficientPrivilege as problem:
            raise DatabaseNotWritable(
                f"DATABASE_URL: the bot's user can't create tables ({describe_error(problem)}). Make it the owner of"
                " the database."
            ) from problem
        else:
            return


def _migrate(connection: Psycopg) -> None:
    """Apply missing migrations in one transaction. Raises LockNotAvailable, InsufficientPrivilege, DatabaseProblem."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock_number("buildbell migrations")])
        before = connection.execute(
            "SELECT current_setting('lock_timeout'), current_setting('search_path')"
        ).fetchone()
        connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        applied = _applied(connection)
        _check_newer(applied)
        if not applied:
            connection.execute(
                "CREATE TABLE buildbell_migrations (name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL)"
            )
        for name, statements in MIGRATIONS.items():
            if name not in applied:
                for statement in statements:
                    connection.execute(in_postgres(statement))
                connection.execute("INSERT INTO buildbell_migrations VALUES (%s, now())", [name])
        if applied.keys() < set(MIGRATIONS):
            expanding = list(MIGRATIONS.keys() - CONTRACTING)
            connection.execute(
                "UPDATE buildbell_migrations SET is_expanding = 1 WHERE name = ANY(%s)", [expanding]
            )
        apply_schema(connection)
        # It may be a part of another transaction.
        connection.execute(
            "SELECT set_config('lock_timeout', %s, true), set_config('search_path', %s, true)", before
        )


async def describe_database(url: str) -> str:
    """Return the server's version and the state of the schema, without changing anything. Raises DatabaseProblem."""

    def describe() -> str:
        with closing(connect(url)) as connection:
            applied = _applied(connection)
            _check_newer(applied)
            check_sessions(url, connection)
            version = connection.info.server_version
            state = (
                "will be set up"
                if not applied
                else "ok"
                if applied.keys() >= set(MIGRATIONS)
                else "will be migrated"
            )
            return f"PostgreSQL {version // 10_000}.{version % 10_000} at {connection.info.host}, {state}"

    try:
        return await asyncio.to_thread(describe)
    except psycopg.OperationalError as problem:
        raise refusal_of(problem) or no_answer(problem) from problem


async def migrate_when_available(url: str) -> None:
    """Migrate the schema as soon as the server answers, also while bots run. Raises DatabaseProblem."""
    with closing(await wait_for_server(url)) as connection:
        await asyncio.to_thread(migrate, connection)


def prepare_database(url: str) -> None:
    """Migrate the schema of a database, without opening it."""
    with closing(connect(url)) as connection:
        migrate(connection)


@contextmanager
def connect_for_copy(url: str) -> Iterator[Psycopg]:
    """Connect without a bot, and keep bots out meanwhile. Raises DatabaseProblem."""
    try:
        connection = connect(url)
    except psycopg.OperationalError as problem:
        raise refusal_of(problem) or no_answer(problem) from problem
    try:
        check_sessions(url, connection)
        _acquire_bot_lock(
            connection, "pg_try_advisory_lock", "a bot or another copy uses this database. Stop it first."
        )
        yield connection
    finally:
        connection.close()


def check_unused(url: str) -> None:
    """Check that the server answers, and that no bot uses the database. Raises DatabaseProblem."""
    with connect_for_copy(url) as connection:
        _check_newer(_applied(connection))


def prepare_for_copy(connection: Psycopg) -> None:
    """Create the tables in an empty database; any other must have exactly this version's. Raises DatabaseProblem."""
    if _applied(connection):
        check_schema(connection)
    else:
        migrate(connection)


def check_schema(connection: Psycopg) -> None:
    """Check that the schema is exactly this version's. Raises DatabaseProblem."""
    applied = _applied(connection)
    if not applied:
        raise DatabaseMissing(
            "this database has no Buildbell data. Set DATABASE_URL to the bot's own database."
        )
    _check_newer(applied)
    if older := set(MIGRATIONS) - applied.keys():
        raise DatabaseOlder(
            f"the database was written by an older Buildbell (it lacks {', '.join(sorted(older))})."
            " Run `buildbell migrate` of this version, or start its bot, which brings the database up to date."
        )


def _check_newer(applied: Mapping[str, bool]) -> None:
    """Refuse migrations of a newer version that this one can't work with; those that only add something do no harm."""
    newer = {name for name, is_expanding in applied.items() if not is_expanding and name not in MIGRATIONS}
    if newer:
        raise DatabaseNewer(
            f"the database was written by a newer Buildbell (it has {', '.join(sorted(newer))})."
            " Start that version again, or restore the backup made before the update."
        )


def _applied(connection: Psycopg) -> dict[str, bool]:
    """Return the applied migrations, and which of them only add something; none if the database is empty.

    Raises DatabaseProblem.
    """
    tables = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
    ).fetchall()
    if (COPY_TABLE,) in tables:
        raise DatabaseIncomplete(
            "the copy into this database is not finished. Run the same `buildbell copy-database` again to continue."
        )
    if ("buildbell_migrations",) in tables:
        # The column is younger than the table. Before it was there, any unknown migration was a reason to refuse.
        rows = connection.execute(
            "SELECT name, to_jsonb(applied) ->> 'is_expanding' FROM buildbell_migrations applied"
        )
        return {name: is_expanding == "1" for name, is_expanding in rows}
    if tables:
        raise DatabaseNotWritable(
            "DATABASE_URL: the database has tables of another program. Set it to a database of Buildbell's own."
        )
    return {}
