from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
import sqlite_utils

from storage.connection import Connection
from storage.database import (
    Database,
    DatabaseDamaged,
    DatabaseInUse,
    DatabaseMissing,
    DatabaseNewer,
    DatabaseOlder,
    DatabaseProblem,
)
from storage.migrations import migrations
from storage.sqlite_database import SqliteDatabase


async def test_written_data_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "buildbell.db"
    database = await SqliteDatabase.open(path)
    await database.write(lambda db: db.execute("INSERT INTO looks (token) VALUES ('t')"))
    await database.close()

    database = await SqliteDatabase.open(path)
    rows = await database.read(lambda db: db.execute("SELECT token FROM looks").fetchall())
    await database.close()
    assert rows == [("t",)]


async def test_the_database_uses_wal_and_synchronous_full(tmp_path: Path) -> None:
    database = await SqliteDatabase.open(tmp_path / "buildbell.db")
    pragmas = await database.read(
        lambda db: [
            db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    )
    await database.close()
    assert pragmas == ["wal", 2, 1]


async def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    database = await SqliteDatabase.open(tmp_path / "buildbell.db")

    def fail_halfway(db: Connection) -> None:
        db.execute("INSERT INTO looks (token) VALUES ('t')")
        raise RuntimeError("the power went out")

    with pytest.raises(RuntimeError, match="power"):
        await database.write(fail_halfway)
    count = await database.read(lambda db: db.execute("SELECT COUNT(*) FROM looks").fetchone()[0])
    await database.close()
    assert count == 0


async def test_a_damaged_file_is_reported_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "buildbell.db"
    await (await SqliteDatabase.open(path)).close()
    damaged = bytearray(path.read_bytes())
    damaged[4096:8192] = b"\x5a" * 4096
    path.write_bytes(damaged)

    with pytest.raises(DatabaseDamaged, match=r"buildbell\.db is damaged .* restore a backup"):
        await SqliteDatabase.open(path)
    assert path.read_bytes() == bytes(damaged)


async def test_a_file_that_is_no_database_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "buildbell.db"
    path.write_text("dear diary, " * 100)
    with pytest.raises(DatabaseDamaged, match="damaged"):
        await SqliteDatabase.open(path)
    assert path.read_text() == "dear diary, " * 100


async def test_another_programs_database_is_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "buildbell.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseDamaged, match="another program's"):
        await SqliteDatabase.open(path)
    assert path.read_bytes() == before


async def test_a_newer_database_is_reported_and_not_changed(tmp_path: Path) -> None:
    path = tmp_path / "buildbell.db"
    database = await SqliteDatabase.open(path)
    await database.write(
        lambda db: db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('buildbell', 'm999_later', '2030')"
        )
    )
    await database.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseNewer, match="m999_later"):
        await SqliteDatabase.open(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("obstacle", ["a file instead of the folder", "a folder instead of the file"])
async def test_an_unwritable_path_is_reported_with_its_requirements(tmp_path: Path, obstacle: str) -> None:
    path = tmp_path / "data" / "buildbell.db"
    if obstacle.startswith("a file"):
        path.parent.write_bytes(b"")
    else:
        path.mkdir(parents=True)
    with pytest.raises(
        DatabaseProblem, match=r"DATABASE_URL: .*buildbell\.db can't be written \(.*Its folder"
    ):
        await SqliteDatabase.open(path)


async def test_two_bots_cannot_share_one_file(tmp_path: Path) -> None:
    database = await SqliteDatabase.open(tmp_path / "buildbell.db")
    with pytest.raises(DatabaseInUse, match="another Buildbell"):
        await SqliteDatabase.open(tmp_path / "buildbell.db")
    await database.close()


async def test_a_command_reads_and_writes_beside_a_running_bot(tmp_path: Path) -> None:
    path = tmp_path / "buildbell.db"
    bot = await SqliteDatabase.open(path)
    command, other_command = await SqliteDatabase.open_shared(path), await SqliteDatabase.open_shared(path)

    async def insert_rows(database: Database, who: str) -> None:
        for number in range(50):
            await database.write(lambda db, name=f"{who} {number}": insert(db, name))  # type: ignore[misc]

    await asyncio.gather(
        insert_rows(bot, "bot"), insert_rows(command, "command"), insert_rows(other_command, "other")
    )
    for database in (bot, command, other_command):
        assert await database.read(lambda db: db.execute("SELECT COUNT(*) FROM looks").fetchone()[0]) == 150
        await database.close()
    assert not path.with_name("buildbell.db-wal").exists()


def insert(db: Connection, token: str) -> None:
    [[before]] = db.execute("SELECT COUNT(*) FROM looks").fetchall()
    db.execute("INSERT INTO looks (token, per_app) VALUES (?, ?)", [token, before])


async def test_a_command_waits_for_a_running_write(tmp_path: Path) -> None:
    path = tmp_path / "buildbell.db"
    bot, command = await SqliteDatabase.open(path), await SqliteDatabase.open_shared(path)
    started, proceed = threading.Event(), threading.Event()

    def write_slowly(db: Connection) -> None:
        insert(db, "first")
        started.set()
        proceed.wait(10)

    writing = asyncio.ensure_future(bot.write(write_slowly))
    await asyncio.to_thread(started.wait, 10)
    second = asyncio.ensure_future(command.write(lambda db: insert(db, "second")))
    assert await count_rows(path) == 0
    proceed.set()
    await asyncio.gather(writing, second)
    rows = await bot.read(
        lambda db: db.execute("SELECT token, per_app FROM looks ORDER BY per_app").fetchall()
    )
    assert rows == [("first", 0), ("second", 1)]
    await bot.close()
    await command.close()


async def count_rows(path: Path) -> int:
    third = await SqliteDatabase.open_shared(path)
    found = await third.read(lambda db: int(db.execute("SELECT COUNT(*) FROM looks").fetchone()[0]))
    await third.close()
    return found


async def test_a_command_neither_creates_nor_migrates_a_database(tmp_path: Path) -> None:
    path = tmp_path / "buildbell.db"
    with pytest.raises(DatabaseMissing, match="no database at"):
        await SqliteDatabase.open_shared(path)
    assert not path.exists()
    old = sqlite_utils.Database(path)
    migrations.apply(old, stop_before="m003_at_the_fingertips")
    old.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseOlder, match=r"m003_at_the_fingertips.* Start the bot of this version once"):
        await SqliteDatabase.open_shared(path)
    assert path.read_bytes() == before
    await (await SqliteDatabase.open(path)).close()
    await (await SqliteDatabase.open_shared(path)).close()


async def test_a_command_refuses_a_damaged_or_newer_database(tmp_path: Path) -> None:
    path = tmp_path / "buildbell.db"
    path.write_text("dear diary, " * 1000)
    with pytest.raises(DatabaseDamaged):
        await SqliteDatabase.open_shared(path)
    path.unlink()
    database = await SqliteDatabase.open(path)
    await database.write(
        lambda db: db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('buildbell', 'm999_later', '2030')"
        )
    )
    await database.close()
    with pytest.raises(DatabaseNewer):
        await SqliteDatabase.open_shared(path)


async def test_a_preparation_that_was_undone_is_made_again(database: Database) -> None:
    team = "T1"
    prepared: list[int] = []

    def prepare(db: Connection, _team: str) -> None:
        db.execute("INSERT INTO looks (token) VALUES (?)", [f"prepared {len(prepared)}"])
        prepared.append(1)
        if len(prepared) == 1:
            raise RuntimeError("undone")

    database.before_first_write(prepare)
    with pytest.raises(RuntimeError, match="undone"):
        await database.of(team).write(lambda _db: None)
    for _ in range(2):
        await database.of(team).write(lambda _db: None)
    tokens = await database.read(lambda db: db.execute("SELECT token FROM looks").fetchall())
    assert tokens == [("prepared 1",)]
