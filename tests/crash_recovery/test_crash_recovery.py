"""A short version of `make torture`; the seeds are fixed, so that every machine kills at the same points."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash_recovery.crash_harness import run_rounds
from tests.crash_recovery.many_bots_harness import run_rounds_of_many
from tests.support.postgres import PostgresServer, start_or_skip


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[PostgresServer | None]:
    """Return a PostgreSQL server that may be killed; None for SQLite."""
    server = start_or_skip(durable=True) if request.param == "postgres" else None
    yield server
    if server is not None:
        server.stop()


@pytest.mark.parametrize(
    ("seed", "database"), [(20261121, "sqlite"), (20261121, "postgres")], indirect=["database"]
)
async def test_a_bot_killed_at_any_point_notifies_every_build_once_and_in_order(
    seed: int, database: PostgresServer | None
) -> None:
    if database is not None and not database.can_restart:
        pytest.skip("needs a PostgreSQL server of its own")
    report = await run_rounds(seed, rounds=8, database=database)
    print(report)
    assert report.result.problems == [], str(report)
    assert report.result.notified >= 20, str(report)
    assert sum(report.kills.values()) >= 8, str(report)


async def test_several_bots_on_one_database_notify_every_build_once_and_carry_out_every_command_once() -> (
    None
):
    database = start_or_skip(durable=True)
    try:
        if not database.can_restart:
            pytest.skip("needs a PostgreSQL server of its own")
        report = await run_rounds_of_many(20261121, 4, database, bots=2)
    finally:
        database.stop()
    print(report)
    assert report.result.problems == [], f"{report}\n{report.details}"
    assert report.result.notified >= 20, str(report)
    assert sum(report.kills.values()) >= 4, str(report)
    assert report.commands["done once"] >= 2, str(report)
