"""The copy of an SQLite file into PostgreSQL: complete, or refused with what to do."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from storage.audit_log import verify_chain
from storage.audit_register import register_problems
from storage.database import (
    DatabaseIncomplete,
    DatabaseInUse,
    DatabaseMissing,
    DatabaseNewer,
    DatabaseNotWritable,
    DatabaseOlder,
    DatabaseProblem,
)
from storage.database_copy import CopyFailed, CopyRefused, copy_database
from storage.database_url import open_database, open_shared_database
from storage.sqlite_database import SqliteDatabase
from tests.storage.full_database import TEAM, create_full_database, secret_box
from tests.storage.test_migrations import first_version
from tests.support.factories import NOON
from tests.support.postgres import PostgresServer, find_programs
from tests.support.repositories import make_repositories
from tests.support.schema import all_rows, connect_directly, table_names


class Stopped(Exception):
    """The copy is ended here."""


@pytest.fixture(scope="module")
def full_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("full") / "b.db"
    asyncio.run(create_full_database(path))
    return path


@pytest.fixture
def path(full_database: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(full_database, tmp_path / "b.db"))


@pytest.fixture
def target(postgres: PostgresServer) -> Iterator[str]:
    url = postgres.new_database(migrated=False)
    yield url
    postgres.drop_database(url)


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_every_row_is_copied_and_new_ones_continue_after_the_highest_number(path: Path, target: str) -> None:
    # Of a deleted link a button may still be there, and the rows of messages have gaps.
    execute(
        path,
        "DELETE FROM ties WHERE id = (SELECT MAX(id) FROM ties)",
        "DELETE FROM messages WHERE rowid = 2",
    )
    before, content = all_rows(f"sqlite:///{path}"), path.read_bytes()
    progress: list[tuple[str, int, int]] = []
    result = copy_database(path, target, lambda *step: progress.append(step))
    assert all_rows(target) == before
    assert path.read_bytes() == content
    assert result.rows == {table: len(rows) for table, rows in before.items()}
    assert {table: copied for table, _, copied in progress} == result.rows

    with connect_directly(target) as db:
        row = "SELECT team_id, 'C9', buildio_app, '', bitrise_app, '', '', '', '' FROM ties LIMIT 1"
        columns = "team_id, channel_id, buildio_app, buildio_title, bitrise_app, bitrise_title, branch, set_by, set_at"
        [number] = db.execute(f"INSERT INTO ties ({columns}) {row} RETURNING id").fetchone()
        columns = "parcel, channel_id, subject, status, sent_at"
        message = f"INSERT INTO messages ({columns}) VALUES ('new', 'C1', '', 'told', '') RETURNING rowid"  # noqa: S608
        [place] = db.execute(message).fetchone()
    assert number == max(row[0] for row in before["ties"]) + 2
    assert place == max(row[0] for row in before["messages"]) + 1


async def test_a_bot_works_with_the_copy_and_the_audit_log_is_valid(path: Path, target: str) -> None:
    copy_database(path, target)
    database = await open_database(target)
    assert await database.read(lambda db: register_problems(db, secret_box())) == {}
    assert (await database.read(lambda db: verify_chain(db, TEAM, secret_box(), None))).sealed
    here = make_repositories(database, secret_box()).of(TEAM)
    assert len(await here.subscriptions.of_channel("C1")) == 1
    await here.access_rules.add((await here.access_rules.all())[0].rule, by="U1", at=NOON)
    await database.close()
    assert len(all_rows(target)["policies"]) == 3


@pytest.mark.parametrize("stopped_at", ["accounts", "builds", "workspaces"])
async def test_a_copy_that_was_ended_goes_on_and_is_used_only_when_it_is_complete(
    path: Path, target: str, stopped_at: str
) -> None:
    def stop(table: str, *_: int) -> None:
        if table == stopped_at:
            raise Stopped

    with pytest.raises(Stopped):
        copy_database(path, target, stop)
    for open_ in (open_database, open_shared_database):
        with pytest.raises(DatabaseIncomplete, match="Run the same `buildbell copy-database` again"):
            await open_(target)
    # A bot has run on the file in the meantime.
    execute(path, "DELETE FROM people WHERE user_id = 'U0BEN'", "UPDATE accounts SET name = 'another'")
    result = copy_database(path, target)
    assert all_rows(target) == all_rows(f"sqlite:///{path}")
    assert "accounts" not in result.from_before
    assert ("audit" in result.from_before) == (stopped_at != "accounts")
    assert copy_database(path, target).was_complete
    await (await open_database(target)).close()


async def test_nothing_is_copied_while_a_bot_runs_on_either(path: Path, target: str) -> None:
    bot = await SqliteDatabase.open(path)
    with pytest.raises(DatabaseInUse, match=r"b\.db is in use by a bot or another copy"):
        copy_database(path, target)
    await bot.close()
    bot_on_target = await open_database(target)
    with pytest.raises(DatabaseInUse, match="the PostgreSQL database is in use by a bot"):
        copy_database(path, target)
    await bot_on_target.close()
    copying: list[Exception] = []

    def start_bot(table: str, *_: int) -> None:
        for url in (f"sqlite:///{path}", target) if table == "builds" else ():
            with pytest.raises(DatabaseProblem) as problem:
                asyncio.run(open_database(url))
            copying.append(problem.value)

    await asyncio.to_thread(copy_database, path, target, start_bot)
    assert [type(problem) for problem in copying] == [DatabaseInUse] * 2


async def test_a_target_with_other_data_is_not_changed(path: Path, target: str, tmp_path: Path) -> None:
    copy_database(path, target)
    before = all_rows(target)
    execute(path, "UPDATE people SET name = 'another' WHERE user_id = 'U0BEN' AND team_id = 'T1'")
    with pytest.raises(CopyRefused, match="has other Buildbell data"):
        copy_database(path, target)
    assert all_rows(target) == before
    other = tmp_path / "other.db"
    shutil.copy(path, other)
    with psycopg.connect(target) as connection:
        connection.execute("CREATE TABLE buildbell_copy (source TEXT, tables TEXT[])")
        connection.execute("INSERT INTO buildbell_copy VALUES ('/data/b.db', '{}')")
    with pytest.raises(CopyRefused, match=r"a copy of /data/b\.db into this database is not finished"):
        copy_database(other, target)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM buildbell_migrations WHERE name LIKE 'm015%'", DatabaseOlder),
        ("INSERT INTO buildbell_migrations VALUES ('m999_later', now())", DatabaseNewer),
        ("DROP TABLE buildbell_migrations", DatabaseNotWritable),
    ],
)
def test_a_target_of_another_version_or_program_is_refused(
    path: Path, postgres: PostgresServer, statement: str, expected: type[DatabaseProblem]
) -> None:
    target = postgres.new_database()
    with psycopg.connect(target) as connection:
        connection.execute(statement)
    with pytest.raises(expected):
        copy_database(path, target)
    postgres.drop_database(target)


def test_a_source_of_another_version_is_refused(path: Path, target: str, tmp_path: Path) -> None:
    first_version(tmp_path / "old.db")
    with pytest.raises(DatabaseOlder, match="Start the bot of this version once with this file"):
        copy_database(tmp_path / "old.db", target)
    execute(path, "UPDATE _sqlite_migrations SET name = 'm999_later' WHERE name LIKE 'm015%'")
    with pytest.raises(DatabaseNewer, match="newer Buildbell"):
        copy_database(path, target)
    with pytest.raises(DatabaseMissing):
        copy_database(tmp_path / "none.db", target)
    with connect_directly(target) as db:
        assert table_names(db) == []


async def test_nul_characters_are_removed_as_the_bot_removes_them(path: Path, target: str) -> None:
    execute(
        path,
        "UPDATE builds SET branch = 'ma' || char(0) || 'in' WHERE number = 1",
        "UPDATE series SET body = '{\"a\":\"b\\u0000c\"}' WHERE branch = 'next'",
    )
    result = copy_database(path, target)
    assert result.changed_rows == {"builds": 1, "series": 1}
    with connect_directly(target) as db:
        assert db.execute("SELECT branch FROM builds WHERE number = 1").fetchone() == ("main",)
        assert db.execute("SELECT body FROM series WHERE branch = 'next'").fetchone() == ('{"a":"bc"}',)
    assert copy_database(path, target).was_complete


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        (
            ["DROP TRIGGER audit_is_not_changed", "UPDATE audit SET body = body || char(0) WHERE seq = 2"],
            r"^audit: the row with team_id 'T1', seq '2' has a NUL character in column body\.",
        ),
        (
            ["UPDATE accounts SET sealed = char(0) WHERE user_id = 'U0BEN'"],
            r"^accounts: the row with team_id 'T1', user_id 'U0BEN', provider 'bitrise' has a NUL .* column sealed\.",
        ),
        (["UPDATE looks SET token = 't' || char(0)"], r"^looks: .* has a NUL character in column token\."),
        (["UPDATE people SET email = CAST(x'ff' AS TEXT)"], "has bytes that aren't text in column email,"),
        (["UPDATE builds SET number = 'many' WHERE number = 1"], "^builds: .* has a text in column number,"),
        (["UPDATE builds SET number = 1.5 WHERE number = 1"], "^builds: .* has a fraction in column number,"),
        (["UPDATE messages SET parcel = NULL WHERE rowid = 1"], "has no value in column parcel,"),
    ],
)
def test_a_row_that_postgres_cannot_hold_is_named(
    path: Path, target: str, statements: list[str], expected: str
) -> None:
    execute(path, *statements)
    with pytest.raises(CopyFailed, match=expected) as problem:
        copy_database(path, target)
    assert "\0" not in str(problem.value)


def test_what_the_server_refuses_is_named_without_its_content(path: Path, target: str) -> None:
    # An index takes no text of this length (PostgreSQL, "B-Tree Indexes").
    execute(path, "UPDATE builds SET branch = 'secret' || hex(randomblob(9000)) WHERE state = 'succeeded'")
    with pytest.raises(
        CopyFailed, match=r"^builds: PostgreSQL rejected a row: index row requires"
    ) as problem:
        copy_database(path, target)
    assert "secret" not in str(problem.value)


def test_a_dump_of_the_copy_is_restored_with_its_triggers(
    path: Path, target: str, postgres: PostgresServer
) -> None:
    copy_database(path, target)
    before = all_rows(target)
    dump, programs = path.with_name("b.dump"), find_programs()
    subprocess.run([programs / "pg_dump", "--format=custom", f"--file={dump}", target], check=True)
    restored = postgres.new_database(migrated=False)
    execute_in_target(target, "DELETE FROM people", "DROP TRIGGER audit_is_not_cut ON audit")
    for url in (target, restored):
        options = ("--clean", "--if-exists", "--exit-on-error", "--no-owner", f"--dbname={url}")
        subprocess.run([programs / "pg_restore", *options, dump], check=True)
        assert all_rows(url) == before
        with connect_directly(url) as db:
            assert register_problems(db, secret_box()) == {}
    postgres.drop_database(restored)


def execute_in_target(url: str, *statements: str) -> None:
    with connect_directly(url) as db:
        for statement in statements:
            db.execute(statement)
