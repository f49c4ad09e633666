from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlite_utils

from storage import Database, DatabaseDamaged, DatabaseInUse, DatabaseNewer


async def test_what_was_written_is_there_after_opening_again(tmp_path: Path) -> None:
    path = tmp_path / "buildbell.db"
    database = await Database.open(path)
    await database.write(lambda db: db.execute("INSERT INTO looks (token) VALUES ('t')"))
    await database.close()

    database = await Database.open(path)
    rows = await database.read(lambda db: db.execute("SELECT token FROM looks").fetchall())
    await database.close()
    assert rows == [("t",)]


async def test_it_writes_ahead_and_waits_for_the_disk(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "buildbell.db")
    pragmas = await database.read(
        lambda db: [
            db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    )
    await database.close()
    assert pragmas == ["wal", 2, 1]


async def test_a_write_that_fails_leaves_nothing_behind(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "buildbell.db")

    def half_a_write(db: sqlite_utils.Database) -> None:
        db.execute("INSERT INTO looks (token) VALUES ('t')")
        raise RuntimeError("the power went out")

    with pytest.raises(RuntimeError, match="power"):
        await database.write(half_a_write)
    count = await database.read(lambda db: db.execute("SELECT COUNT(*) FROM looks").fetchone()[0])
    await database.close()
    assert count == 0


async def test_a_damaged_file_is_named_and_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "buildbell.db"
    await (await Database.open(path)).close()
    damaged = bytearray(path.read_bytes())
    damaged[4096:8192] = b"\x5a" * 4096
    path.write_bytes(damaged)

    with pytest.raises(DatabaseDamaged, match=r"buildbell\.db is damaged .* restore a backup"):
        await Database.open(path)
    assert path.read_bytes() == bytes(damaged)


async def test_a_file_that_is_no_database_is_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "buildbell.db"
    path.write_text("dear diary, " * 100)
    with pytest.raises(DatabaseDamaged, match="damaged"):
        await Database.open(path)
    assert path.read_text() == "dear diary, " * 100


async def test_another_programs_database_is_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "buildbell.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseDamaged, match="another program's"):
        await Database.open(path)
    assert path.read_bytes() == before


async def test_a_newer_database_is_named_and_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "buildbell.db"
    database = await Database.open(path)
    await database.write(
        lambda db: db.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('buildbell', 'm999_later', '2030')"
        )
    )
    await database.close()
    before = path.read_bytes()
    with pytest.raises(DatabaseNewer, match="m999_later"):
        await Database.open(path)
    assert path.read_bytes() == before


async def test_two_bots_can_not_share_one_file(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "buildbell.db")
    with pytest.raises(DatabaseInUse, match="another Buildbell"):
        await Database.open(tmp_path / "buildbell.db")
    await database.close()
