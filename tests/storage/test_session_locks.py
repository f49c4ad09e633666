"""The locks of several bots on one PostgreSQL database: who has them, and when they are lost."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from services.outbox.rate_limits import RateLimits
from storage.database import DatabaseInUse, DatabaseUnavailable
from storage.postgres_database import PostgresDatabase
from storage.postgres_server import SERVER_KEEPALIVES, connect_for_copy
from storage.postgres_session_locks import (
    PROOF_SECONDS,
    VALID_SECONDS,
    PostgresSessionLocks,
    open_session,
)
from storage.session_locks import LocalSessionLocks, new_worker
from storage.sqlite_database import SqliteDatabase
from tests.support.postgres import PostgresServer

CHANNEL = ("channel", "T1", "C1")
HOLDER = """
import sys, time
from storage.postgres_server import lock_number
from storage.postgres_session_locks import open_session
session = open_session(sys.argv[1], "00000000cafe")
session.execute(f"SELECT pg_advisory_lock({lock_number('session', 'channel', 'T1', 'C1')})")
print("has it", flush=True)
time.sleep(600)
"""


class Timer:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    url = postgres.new_database()
    yield url
    postgres.recycle_database(url)


@pytest.fixture
async def bots(url: str) -> AsyncIterator[tuple[PostgresDatabase, PostgresDatabase]]:
    opened = [await PostgresDatabase.open(url, wait_seconds=30) for _ in range(2)]
    yield opened[0], opened[1]
    for database in opened:
        await database.close()


def open_locks(url: str, timer: Timer) -> PostgresSessionLocks:
    """Open a session that nobody watches, so that it is proven alive only by its own calls."""
    worker = new_worker()
    return PostgresSessionLocks(url, open_session(url, worker), worker=worker, timer=timer)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)


async def acquire(locks: PostgresSessionLocks, name: tuple[str, ...] = CHANNEL) -> None:
    async with asyncio.timeout(30):
        while await locks.acquire(*name) is None:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)


def end_session(server: PostgresServer, locks: PostgresSessionLocks) -> None:
    with server.connect() as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 30000)", [locks._connection.info.backend_pid])


async def test_a_lock_is_had_by_one_task_of_one_bot(bots: tuple[PostgresDatabase, PostgresDatabase]) -> None:
    one, other = (bot.session_locks for bot in bots)
    assert await one.acquire(*CHANNEL) is not None
    # A session gets its own lock twice.
    assert await one.acquire(*CHANNEL) is None
    assert await other.acquire(*CHANNEL) is None
    assert (one.is_held(*CHANNEL), other.is_held(*CHANNEL)) == (True, False)
    assert await other.acquire("channel", "T1", "C2") is not None
    # Whoever does not have it does not free it.
    await other.release(*CHANNEL)
    assert await other.acquire(*CHANNEL) is None
    await one.release(*CHANNEL)
    assert await other.acquire(*CHANNEL) is not None
    # Transactions' locks have other numbers.
    await bots[0].write(lambda db: db.lock(*CHANNEL))


async def test_a_lock_that_nobody_waits_for_any_more_is_released(
    bots: tuple[PostgresDatabase, PostgresDatabase],
) -> None:
    one, other = (bot.session_locks for bot in bots)
    for _ in range(20):
        acquiring = asyncio.create_task(one.acquire(*CHANNEL))
        await asyncio.sleep(0)
        acquiring.cancel()
    await acquire(other)


async def test_a_paused_process_keeps_its_locks_and_a_killed_one_loses_them_at_once(
    url: str, bots: tuple[PostgresDatabase, PostgresDatabase]
) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, url, stdout=asyncio.subprocess.PIPE
    )
    assert holder.stdout is not None
    assert await holder.stdout.readline() == b"has it\n"
    everybody = {"00000000cafe", *(bot.session_locks.worker for bot in bots)}
    holder.send_signal(signal.SIGSTOP)
    assert await bots[0].session_locks.acquire(*CHANNEL) is None
    assert await bots[0].read(lambda db: db.live_workers()) == everybody
    holder.kill()
    await holder.wait()
    await acquire(bots[0].session_locks)
    assert await bots[0].read(lambda db: db.live_workers()) == everybody - {"00000000cafe"}


async def test_a_session_that_the_server_ends_loses_all_locks_and_comes_back_without_them(
    postgres: PostgresServer, bots: tuple[PostgresDatabase, PostgresDatabase]
) -> None:
    one, other = (bot.session_locks for bot in bots)
    assert await one.acquire(*CHANNEL) is not None
    end_session(postgres, one)
    await acquire(other)
    await until(lambda: not one.is_held(*CHANNEL))
    async with asyncio.timeout(30):
        while await bots[1].read(lambda db: db.live_workers()) != {one.worker, other.worker}:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.01)
    # The task that has lost it still has to release it, and can't take it from the other bot.
    await other.release(*CHANNEL)
    assert await one.acquire(*CHANNEL) is None
    await acquire(other)
    await one.release(*CHANNEL)
    assert await one.acquire(*CHANNEL) is None
    assert other.is_held(*CHANNEL)
    await other.release(*CHANNEL)
    assert await one.acquire(*CHANNEL) is not None


async def test_a_lock_counts_only_for_five_seconds_after_the_session_was_seen_alive(url: str) -> None:
    timer = Timer()
    locks = open_locks(url, timer)
    assert await locks.acquire(*CHANNEL) == 1000
    timer.now += 4.9
    assert locks.is_held(*CHANNEL)
    timer.now += 0.1
    assert not locks.is_held(*CHANNEL)
    # Any answer of the server is a proof.
    assert await locks.acquire("channel", "T1", "C2") == 1005
    assert locks.is_held(*CHANNEL)
    timer.now += 5
    assert not locks.is_held(*CHANNEL)
    assert await locks.prove()
    assert locks.is_held(*CHANNEL)
    await locks.close()
    assert not locks.is_held(*CHANNEL)
    with pytest.raises(DatabaseUnavailable):
        await locks.acquire("channel", "T1", "C3")
    await locks.release(*CHANNEL)


async def test_without_the_server_nothing_is_acquired_and_releasing_does_no_harm(
    postgres: PostgresServer, url: str
) -> None:
    locks = open_locks(url, Timer())
    assert await locks.acquire(*CHANNEL) is not None
    end_session(postgres, locks)
    with pytest.raises(DatabaseUnavailable):
        await locks.acquire("channel", "T1", "C2")
    assert not locks.is_held(*CHANNEL)
    await locks.release(*CHANNEL)
    await locks.restore()
    assert await locks.acquire("channel", "T1", "C2") is not None
    assert await locks.acquire(*CHANNEL) is not None
    await locks.close()


async def test_bots_and_copies_keep_each_other_out(
    url: str, bots: tuple[PostgresDatabase, PostgresDatabase]
) -> None:
    await bots[1].close()
    with pytest.raises(DatabaseInUse, match="a bot or another copy"), connect_for_copy(url):
        pass
    await bots[0].close()
    with connect_for_copy(url):
        with pytest.raises(DatabaseInUse, match="Wait for the copy to finish"):
            await PostgresDatabase.open(url)
        # A command is no bot.
        await (await PostgresDatabase.open_shared(url)).close()


async def test_a_bot_alone_has_had_all_locks_since_its_start(tmp_path: Path) -> None:
    timer = Timer()
    locks = LocalSessionLocks(timer=timer)
    timer.now += 50
    assert await locks.acquire(*CHANNEL) == 1000
    assert await locks.acquire(*CHANNEL) is None
    assert locks.is_held(*CHANNEL)
    await locks.release(*CHANNEL)
    assert not locks.is_held(*CHANNEL)
    database = await SqliteDatabase.open(tmp_path / "b.db")
    assert await database.read(lambda db: db.live_workers()) == {database.session_locks.worker}
    await database.close()


def test_nobody_gets_a_lock_as_long_as_its_holder_may_be_at_work() -> None:
    limits = RateLimits()
    assert PROOF_SECONDS * 2 < VALID_SECONDS
    freed_after = SERVER_KEEPALIVES["tcp_keepalives_idle"] + (
        SERVER_KEEPALIVES["tcp_keepalives_interval"] * SERVER_KEEPALIVES["tcp_keepalives_count"]
    )
    assert VALID_SECONDS + limits.call < freed_after <= 25
    assert limits.call < limits.takeover
