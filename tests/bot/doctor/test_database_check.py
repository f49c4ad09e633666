"""`buildbell doctor` says in which state a PostgreSQL database is, without changing it."""

from __future__ import annotations

import os

import psycopg

from bot.doctor.checks import run_checks
from bot.doctor.settings_checks import check_settings
from services.provider_connection import Finding
from tests.support.postgres import PostgresServer
from tests.support.schema import connect_directly, table_names


async def check_database(url: str) -> Finding:
    result = check_settings(_env_file=None, database_url=url)
    [found] = [finding async for finding in run_checks(result) if finding.check == "Database"]
    return found


async def test_the_state_of_the_tables_is_shown_and_nothing_is_changed(postgres: PostgresServer) -> None:
    url = postgres.new_database(migrated=False)
    assert "will be set up" in (await check_database(url)).result
    with connect_directly(url) as db:
        assert table_names(db) == []
        db.execute("CREATE TABLE orders (id INTEGER)")
    found = await check_database(url)
    assert (found.passed, "tables of another program" in found.result) == (False, True)
    postgres.drop_database(url)

    url = postgres.new_database()
    found = await check_database(url)
    assert (found.passed, found.result.endswith(", ok")) == (True, True)
    with connect_directly(url) as db:
        db.execute("DELETE FROM buildbell_migrations WHERE name LIKE 'm015%'")
    assert "will be migrated" in (await check_database(url)).result
    with connect_directly(url) as db:
        db.execute("CREATE TABLE buildbell_copy (source TEXT)")
    found = await check_database(url)
    assert (found.passed, "the copy into this database is not finished" in found.result) == (False, True)
    postgres.drop_database(url)
    assert "does not exist" in (await check_database(url)).result


async def test_missing_rights_are_one_finding(postgres: PostgresServer) -> None:
    url, guest = postgres.new_database(), f"guest_{os.getpid()}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {guest} LOGIN")
        connection.execute(f"GRANT USAGE ON SCHEMA public TO {guest}")
    found = await check_database(url.replace("buildbell@", f"{guest}@"))
    assert found.result == "permission denied for table buildbell_migrations."
    assert found.fix == "make the bot's user the database's owner"
    postgres.drop_database(url)
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"DROP ROLE {guest}")
