"""The schema of several bots on one PostgreSQL server: procrastinate's tables, and migrations while others run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from importlib import resources
from pathlib import Path

import psycopg
import pytest
from structlog.testing import capture_logs

from storage.database import DatabaseNewer
from storage.database_url import migrate_database, open_database, open_shared_database
from storage.job_queue_schema import available_migrations, pending_migrations
from storage.postgres_migrations import CONTRACTING, MIGRATIONS
from storage.postgres_server import connect, describe_database, migrate
from tests.support.forked_process import run_forked
from tests.support.postgres import PostgresServer

TABLES = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema IN ('public', 'procrastinate')"


@pytest.fixture
def url(postgres: PostgresServer) -> Iterator[str]:
    url = postgres.new_database(migrated=False)
    yield url
    postgres.drop_database(url)


def tables(url: str) -> set[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return {(schema, table) for schema, table in connection.execute(TABLES)}


async def test_migrate_sets_up_a_database_once_and_a_bot_can_run_meanwhile(url: str) -> None:
    for _ in range(2):
        code, output = await run_forked("migrate", DATABASE_URL=url)
        assert (code, output) == (0, "The database is up to date.\n")
    found = tables(url)
    procrastinate = {table for schema, table in found if schema == "procrastinate"}
    assert procrastinate == {
        "migrations",
        "procrastinate_events",
        "procrastinate_jobs",
        "procrastinate_periodic_defers",
        "procrastinate_workers",
    }
    assert not [table for schema, table in found if schema == "public" and table in procrastinate]
    bot = await open_database(url)
    code, output = await run_forked("migrate", DATABASE_URL=url)
    await bot.close()
    assert (code, output) == (0, "The database is up to date.\n")
    with psycopg.connect(url) as connection:
        applied = {name for (name,) in connection.execute("SELECT name FROM procrastinate.migrations")}
        expanding = connection.execute("SELECT name FROM buildbell_migrations WHERE is_expanding = 1")
        assert {name for (name,) in expanding} == MIGRATIONS.keys() - CONTRACTING
    assert applied == set(available_migrations())


async def test_a_newer_migration_is_refused_only_if_it_takes_something_away(url: str) -> None:
    await migrate_database(url)
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO buildbell_migrations VALUES ('m998_adds', now(), 1)")
    for open_any in (open_database, open_shared_database):
        await (await open_any(url)).close()
    assert (await describe_database(url)).endswith(", ok")
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO buildbell_migrations VALUES ('m999_takes_away', now(), 0)")
    for refused in (open_database, open_shared_database, migrate_database):
        with pytest.raises(DatabaseNewer, match=r"\(it has m999_takes_away\)"):
            await refused(url)


async def test_a_migration_waits_for_a_table_that_is_used_without_keeping_others_waiting(url: str) -> None:
    await migrate_database(url)
    with psycopg.connect(url) as connection:
        connection.execute("DELETE FROM buildbell_migrations WHERE name = 'm017_expanding_migrations'")
        connection.execute("ALTER TABLE buildbell_migrations DROP COLUMN is_expanding")
    with closing(connect(url)) as migrating, psycopg.connect(url) as other, capture_logs() as logs:
        other.execute("SELECT * FROM buildbell_migrations")
        task = asyncio.create_task(asyncio.to_thread(migrate, migrating))
        async with asyncio.timeout(60):
            while not logs:  # noqa: ASYNC110 - a log has no event
                await asyncio.sleep(0.01)
        # It has let go of everything: another transaction gets the table at once.
        with psycopg.connect(url) as third:
            third.execute("SET lock_timeout = '30s'")
            third.execute("LOCK buildbell_migrations IN ROW EXCLUSIVE MODE")
        other.rollback()
        await asyncio.wait_for(task, 60)
        search_path = migrating.execute("SHOW search_path").fetchone()
    assert {entry["event"] for entry in logs} == {"database.migration_waits"}
    assert search_path == ('"$user", public, procrastinate',)
    assert (await describe_database(url)).endswith(", ok")


async def test_migrate_brings_a_file_up_to_date(tmp_path: Path) -> None:
    path = str(tmp_path / "b.db")
    code, output = await run_forked("migrate", DATABASE_URL=f"sqlite:///{path}")
    assert (code, output) == (0, "The database is up to date.\n")
    await (await open_shared_database(path)).close()


@pytest.mark.parametrize(
    ("applied", "expected"),
    [
        ({"1_pre_a", "1_post_a"}, ["2_pre_b", "2_post_b", "3_pre_c"]),
        ({"1_pre_a", "1_post_a", "2_pre_b"}, ["2_post_b", "3_pre_c"]),
        ({"1_pre_a", "1_post_a", "2_pre_b", "2_post_b", "3_pre_c"}, []),
        ({"1_pre_a", "1_post_a", "2_pre_b", "2_post_b", "3_pre_c", "3_post_c", "4_later"}, []),
    ],
)
def test_what_the_release_before_cannot_bear_waits_until_a_later_one_needs_it(
    applied: set[str], expected: list[str]
) -> None:
    known = ["1_pre_a", "1_post_a", "2_pre_b", "2_post_b", "3_pre_c", "3_post_c"]
    assert pending_migrations(known, applied) == expected


async def test_the_tables_of_an_older_procrastinate_get_what_the_installed_one_needs(
    url: str, postgres: PostgresServer
) -> None:
    folder = resources.files("procrastinate.sql") / "migrations"
    *older, _, _, _ = known = available_migrations()
    assert known[-3:] == [
        "03.03.00_01_pre_priority_lock_fetch_job.sql",
        "03.04.00_01_pre_add_retry_failed_job_procedure.sql",
        "03.04.00_50_post_add_retry_failed_job_procedure.sql",
    ]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA procrastinate")
        connection.execute("SET search_path = procrastinate")
        connection.execute("CREATE TABLE migrations (name TEXT PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL)")
        for name in older:
            connection.execute((folder / name).read_bytes())
            connection.execute("INSERT INTO migrations VALUES (%s, now())", [name])
    before = functions(url)
    await migrate_database(url)
    current = postgres.new_database()
    assert functions(url) - before == functions(current) - before
    # An older bot's functions are still there, too.
    assert functions(url) >= before
    postgres.recycle_database(current)
    with psycopg.connect(url) as connection:
        applied = {name for (name,) in connection.execute("SELECT name FROM procrastinate.migrations")}
    assert applied == set(known[:-1])


def functions(url: str) -> set[str]:
    query = "SELECT routine_name FROM information_schema.routines WHERE routine_schema = 'procrastinate'"
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute(query)}
