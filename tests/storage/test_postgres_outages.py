"""A PostgreSQL server that goes away: what its transactions do, what the log says, and what keeps a copy out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import cast
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from structlog.testing import capture_logs

from storage.connection import Connection
from storage.database import (
    CommitUnconfirmed,
    DatabaseInUse,
    DatabaseMissing,
    DatabaseNotWritable,
    DatabaseUnavailable,
    confirm,
    retry_until_stored,
)
from storage.database_url import find_url_problem
from storage.postgres_connection import PostgresConnection
from storage.postgres_database import THREADS, PostgresDatabase
from storage.postgres_server import lock_number
from tests.support.postgres import PostgresServer, start_or_skip
from tests.support.schema import connect_directly

PASSWORD = "correct-horse-battery"
# Ends its own connection when it is committed: the bot can't know whether it was.
BREAK_AT_COMMIT = """
    CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(30); RETURN NULL; END $$;
    CREATE CONSTRAINT TRIGGER break_off AFTER INSERT ON looks DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW WHEN (NEW.token = 'doubtful') EXECUTE FUNCTION break_off()"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Return a server that a test may kill and start again."""
    server = start_or_skip(durable=True)
    if not server.can_restart:
        pytest.skip("needs a PostgreSQL server of its own")
    yield server
    server.stop()


@pytest.fixture
def url(server: PostgresServer) -> str:
    """Return the URL of a new database on it."""
    return server.new_database()


@pytest.fixture
async def database(url: str) -> AsyncIterator[PostgresDatabase]:
    """Open it as a bot does."""
    opened = await PostgresDatabase.open(url, wait_seconds=30)
    yield opened
    await opened.close()


def insert(token: str) -> Callable[[Connection], int]:
    return lambda db: db.execute("INSERT INTO looks (token) VALUES (?)", [token]).rowcount


def tokens(url: str) -> list[str]:
    with connect_directly(url) as connection:
        return [token for (token,) in connection.execute("SELECT token FROM looks ORDER BY token")]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)


def with_user(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@"))


async def test_a_server_that_is_down_is_waited_for_and_one_line_says_so(server: PostgresServer) -> None:
    url = server.new_database(migrated=False)
    server.kill()
    with capture_logs() as logs:
        opening = asyncio.create_task(PostgresDatabase.open(url))
        await until(lambda: logs)
        server.start()
        database = await asyncio.wait_for(opening, 30)
    assert await database.read(lambda db: db.execute("SELECT COUNT(*) FROM looks").fetchone()) == (0,)
    await database.close()
    assert [entry["event"] for entry in logs] == ["database.unavailable", "database.available"]
    assert "\n" not in logs[0]["reason"]


async def test_what_waiting_can_not_mend_is_refused_at_once_and_shows_no_password(
    server: PostgresServer,
) -> None:
    url = server.new_database(migrated=False)
    server.require_password("locked", PASSWORD)
    wrong = with_user(url, "locked", "wrong-horse-battery")
    missing = urlunsplit(urlsplit(url)._replace(path="/nowhere"))
    with capture_logs() as logs:
        for address, problem, text in (
            (
                wrong,
                DatabaseNotWritable,
                r"^DATABASE_URL: .* rejected the connection: .*password authentication",
            ),
            (missing, DatabaseMissing, "^DATABASE_URL: .*Create it: createdb"),
        ):
            for opening in (PostgresDatabase.open, PostgresDatabase.open_shared):
                with pytest.raises(problem, match=text) as caught:
                    await opening(address)
                assert "battery" not in str(caught.value)
        with pytest.raises(DatabaseNotWritable, match=r"can't create tables .* owner"):
            await PostgresDatabase.open(with_user(url, "locked", PASSWORD))
    assert logs == []


@pytest.mark.parametrize("rest", ["p@ss@host/db", "p/ss@host/db", "p:ss@host:port/db"])
def test_a_password_that_is_not_encoded_is_refused_without_showing_it(rest: str) -> None:
    problem = find_url_problem(f"postgresql://user:{rest}")
    assert problem is not None
    assert "ss@" not in problem


@pytest.mark.parametrize(
    "rest", ["p%40ss@host/db", "p#?ss@host/db", "p:ss@host/db", "p@[::1]:5432/db", "p@a,b:1,2/db", "p@/db"]
)
def test_other_passwords_are_taken(rest: str) -> None:
    assert find_url_problem(f"postgresql://user:{rest}") is None


async def test_transactions_wait_for_a_server_that_restarts_and_lose_nothing(
    server: PostgresServer, url: str, database: PostgresDatabase
) -> None:
    await asyncio.gather(*(database.write(insert(f"before {number}")) for number in range(8)))
    with capture_logs() as logs:
        server.kill()
        # More than there are threads: none of them is held while the server is away.
        waiting = [asyncio.create_task(database.write(insert(f"during {number:02}"))) for number in range(50)]
        await until(lambda: not database.is_available)
        server.start()
        async with asyncio.timeout(60):
            assert await asyncio.gather(*waiting) == [1] * 50
        await until(lambda: database.is_available)
    assert len(tokens(url)) == 58
    assert [entry["event"] for entry in logs] == ["database.unavailable", "database.available"]


async def test_after_a_while_transactions_fail_at_once_until_the_server_is_back(
    server: PostgresServer, url: str
) -> None:
    database = await PostgresDatabase.open(url, wait_seconds=0.1)
    server.kill()
    await until(lambda: not database.is_available)
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable) as caught:
            await database.write(insert("never"))
        assert not isinstance(caught.value, CommitUnconfirmed)
    kept = asyncio.create_task(retry_until_stored(lambda: database.write(insert("kept"))))
    server.start()
    await asyncio.wait_for(kept, 30)
    await database.close()
    assert tokens(url) == ["kept"]


async def test_a_connection_that_is_ended_in_the_middle_is_replaced_and_the_work_repeated(
    url: str, database: PostgresDatabase
) -> None:
    runs = []

    def work(db: Connection) -> None:
        db.execute("INSERT INTO looks (token) VALUES ('once')")
        runs.append(1)
        if len(runs) == 1:
            db.execute("SELECT pg_terminate_backend(pg_backend_pid())")

    with capture_logs() as logs:
        await database.write(work)
    assert (len(runs), tokens(url), logs) == (2, ["once"], [])


async def test_a_connection_that_is_left_in_the_midst_of_a_statement_is_not_used_again(
    database: PostgresDatabase, url: str
) -> None:
    tries = []

    def fail_once(db: Connection) -> None:
        insert("a")(db)
        tries.append(1)
        if len(tries) == 1:
            # As after an end by the server that libpq has read only in part.
            cast(PostgresConnection, db).connection.pgconn.send_query(b"SELECT 1")
            raise psycopg.OperationalError("terminating connection")

    await database.write(fail_once)
    for number in range(2 * THREADS):
        await database.write(insert(f"after-{number}"))
    assert len(tokens(url)) == 1 + 2 * THREADS


async def test_a_connection_that_is_lost_during_a_commit_is_reported_as_unconfirmed(
    url: str, database: PostgresDatabase
) -> None:
    reports: list[int] = []
    database.when_unconfirmed(lambda: reports.append(1))
    with psycopg.connect(url) as connection:
        connection.execute(BREAK_AT_COMMIT)
    with pytest.raises(CommitUnconfirmed):
        await database.write(insert("doubtful"))
    assert reports == [1]
    tries = []

    async def write() -> int:
        tries.append(1)
        return await database.write(insert("doubtful" if len(tries) == 1 else "sure"))

    await asyncio.wait_for(confirm(write), 30)
    assert tokens(url) == ["sure"]


async def test_a_copy_that_takes_the_database_during_an_outage_is_named_and_keeps_the_bot_out(
    url: str, database: PostgresDatabase
) -> None:
    number = lock_number("buildbell run")
    with psycopg.connect(url, autocommit=True) as copy, capture_logs() as logs:
        taking = asyncio.create_task(asyncio.to_thread(copy.execute, f"SELECT pg_advisory_lock({number})"))
        with psycopg.connect(url, autocommit=True) as third:
            query = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted = %s"
            await until(lambda: third.execute(query, [False]).fetchone())
            for (pid,) in third.execute(query, [True]).fetchall():
                third.execute("SELECT pg_terminate_backend(%s)", [pid])
        await asyncio.wait_for(taking, 30)
        await until(lambda: logs)
        assert not database.is_available
        [line] = logs
        assert (line["event"], "copy-database" in line["reason"]) == ("database.unavailable", True)
        waiting = asyncio.create_task(database.write(insert("later")))
        with pytest.raises(DatabaseInUse, match="Wait for the copy to finish"):
            await PostgresDatabase.open(url)
        copy.close()
        await asyncio.wait_for(waiting, 30)
        assert logs[-1]["event"] == "database.available"


async def test_the_end_does_not_wait_for_a_server_that_is_away(server: PostgresServer, url: str) -> None:
    database = await PostgresDatabase.open(url, wait_seconds=3600)
    server.kill()
    writing = asyncio.create_task(database.write(insert("never")))
    await until(lambda: not database.is_available)
    await asyncio.wait_for(database.close(), 30)
    writing.cancel()
    server.start()
