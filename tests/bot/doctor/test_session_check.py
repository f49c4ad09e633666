"""`buildbell doctor`, a bot and a copy on the way to the PostgreSQL server: poolers, and TCP keepalives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bot.doctor.checks import run_checks
from bot.doctor.settings_checks import check_settings
from services.provider_connection import Finding
from storage.database import DatabasePooled
from storage.database_url import open_database
from storage.postgres_server import Keepalives, connect_for_copy, have_own_sessions
from tests.support.postgres import PostgresServer, start_or_skip
from tests.support.stub_server import reserve_port
from tests.support.transaction_pooler import TransactionPooler


async def check_database(url: str) -> list[Finding]:
    result = check_settings(_env_file=None, database_url=url)
    return [finding async for finding in run_checks(result) if finding.check.startswith("Database")]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Return a server that listens on loopback, too."""
    with reserve_port() as reserved:
        server = start_or_skip(port=reserved.getsockname()[1])
    if not server.can_restart:
        pytest.skip("needs a PostgreSQL server of its own")
    yield server
    server.stop()


@pytest.fixture
async def pooler(server: PostgresServer) -> AsyncIterator[TransactionPooler]:
    query = parse_qs(urlsplit(server.url).query)
    pooler = TransactionPooler(Path(query["host"][0]) / f".s.PGSQL.{query['port'][0]}")
    await pooler.start()
    yield pooler
    await pooler.close()


async def test_a_pooler_in_transaction_mode_is_refused(
    server: PostgresServer, pooler: TransactionPooler
) -> None:
    name = urlsplit(server.new_database()).path
    url = f"postgresql://buildbell@127.0.0.1:{pooler.port}{name}"
    [found] = await check_database(url)
    assert not found.passed
    assert found.result.startswith("DATABASE_URL: goes through a connection pooler in transaction mode")
    with pytest.raises(DatabasePooled, match="pool_mode=session"):
        await open_database(url)
    with pytest.raises(DatabasePooled):
        await asyncio.to_thread(connect_for_copy(url).__enter__)


async def test_the_server_ends_the_session_of_a_vanished_machine_after_twenty_seconds(
    server: PostgresServer,
) -> None:
    url = server.new_database()
    name, port = urlsplit(url).path, parse_qs(urlsplit(url).query)["port"][0]
    found = await check_database(f"postgresql://buildbell@127.0.0.1:{port}{name}")
    assert [finding.passed for finding in found] == [True, True]
    assert found[1].result == "if a machine vanishes, the server ends its session after 20 s"
    found = await check_database(url)
    assert [finding.passed for finding in found] == [True, True]
    assert found[1].result == "a Unix socket on this machine, where TCP keepalives do not apply"


def test_a_server_that_does_not_take_the_keepalives_is_a_problem() -> None:
    assert Keepalives(True, 10, 5, 2).problem is None
    assert Keepalives(False, 0, 0, 0).problem is None
    for wrong in (Keepalives(True, 7200, 75, 9), Keepalives(True, 10, 5, 0), Keepalives(True, 1, 1, 1)):
        assert f"tcp_keepalives_count={wrong.count} instead of 10, 5 and 2" in (wrong.problem or "")


@pytest.mark.parametrize(
    ("processes", "others", "own"),
    [
        ([1, 1, 1], [2, 2, 2], True),
        ([1, 1, 1], [1, 1, 1], False),  # the session that was freed last, or the only one
        ([1, 1, 1], [2, 2, 3], False),
        ([1, 3, 1], [2, 2, 2], False),
        ([1, 3, 5], [2, 4, 6], False),  # each time another
    ],
)
def test_connections_with_own_sessions_stay_with_one_process_each(
    processes: list[int], others: list[int], own: bool
) -> None:
    assert have_own_sessions(processes, others) is own
