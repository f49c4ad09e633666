"""The database's files: accessible only to their owner, and without traces of deleted data."""

from __future__ import annotations

import logging
import os
import random
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlite_utils
from pydantic import SecretStr

from providers.bitrise.provider import BITRISE
from storage.backup import back_up, restore
from storage.database import Database
from storage.private_files import open_to_others, shared_folder
from storage.secure_deletion import empty_log, rewrite_file, rewrite_tables
from storage.sqlite_database import SqliteDatabase
from storage.user_profiles import UserProfile
from tests.storage.full_database import OLD, secret_box
from tests.storage.test_migrations import first_version
from tests.support.factories import NOON
from tests.support.forked_process import run_forked
from tests.support.repositories import make_repositories


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in (folder, *folder.iterdir())}


async def test_new_files_are_accessible_only_to_their_owner(tmp_path: Path) -> None:
    database = await SqliteDatabase.open(tmp_path / "data" / "b.db")
    assert modes(tmp_path / "data") == {
        "data": 0o700,
        **dict.fromkeys(("b.db", "b.db-wal", "b.db-shm", "b.db.lock"), 0o600),
    }
    await (await SqliteDatabase.open_shared(tmp_path / "data" / "b.db")).close()
    assert modes(tmp_path / "data")["b.db.beside"] == 0o600
    await database.close()


async def test_files_open_to_others_are_restricted_at_the_start_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "data" / "b.db"
    await (await SqliteDatabase.open(path)).close()
    for name in ("b.db.before-restore-20261121T120000Z", "b.db.before-restore-20261121T120000Z-wal"):
        path.with_name(name).write_bytes(b"x")
    for file in path.parent.iterdir():
        file.chmod(0o644)
    path.parent.chmod(0o755)
    with caplog.at_level(logging.INFO, "storage"):
        database = await SqliteDatabase.open(path)
    assert {mode & 0o077 for mode in modes(path.parent).values()} == {0}
    assert "database.made_private" in caplog.text
    assert open_to_others(path) == []
    await database.close()


async def test_a_shared_folder_is_not_changed_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "shared" / "b.db"
    path.parent.mkdir(mode=0o755)
    (path.parent / "letters.txt").write_text("mine")
    (path.parent / "letters.txt").chmod(0o644)
    database = await SqliteDatabase.open(path)
    assert modes(path.parent) == {
        "shared": 0o755,
        "letters.txt": 0o644,
        **dict.fromkeys(("b.db", "b.db-wal", "b.db-shm", "b.db.lock"), 0o600),
    }
    assert "database.folder_open_to_others" in caplog.text
    assert shared_folder(path) == path.parent.resolve()
    await database.close()


@pytest.mark.parametrize("mode", [0o1777, 0o2775])
async def test_a_sticky_or_group_folder_is_not_changed(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(mode)
    database = await SqliteDatabase.open(folder / "b.db")
    assert stat.S_IMODE(folder.stat().st_mode) == mode
    await database.close()


async def test_the_bot_starts_even_if_modes_cannot_be_changed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "data" / "b.db"
    await (await SqliteDatabase.open(path)).close()
    path.chmod(0o644)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    database = await SqliteDatabase.open(path)
    assert "can't change the mode of" in caplog.text
    await database.close()


async def test_files_of_a_restore_are_accessible_only_to_their_owner(tmp_path: Path) -> None:
    path, backup = tmp_path / "data" / "b.db", tmp_path / "backup.db"
    await (await SqliteDatabase.open(path)).close()
    back_up(path, backup)
    path.chmod(0o644)
    old = restore(backup, path, at=NOON).kept
    assert old is not None
    assert {mode & 0o077 for mode in modes(path.parent).values()} == {0}
    assert backup.stat().st_mode & 0o077 == 0


def files_containing(path: Path, canary: str) -> list[str]:
    """Return the names of the files in the folder that contain the text."""
    return [file.name for file in sorted(path.parent.iterdir()) if canary.encode() in file.read_bytes()]


@pytest.mark.parametrize("seed", range(3))
def test_a_rewritten_table_has_no_traces_of_deleted_rows(tmp_path: Path, seed: int) -> None:
    """Rows are moved to make room for others, and SQLite does not overwrite their old place."""
    db = sqlite_utils.Database(tmp_path / "b.db")
    db.enable_wal()
    db.execute("PRAGMA secure_delete = ON")
    db.execute("CREATE TABLE t (a TEXT, b TEXT, PRIMARY KEY (a)) WITHOUT ROWID")
    chance = random.Random(seed)
    names = [f"{chance.random()}" for _ in range(400)]
    for number, name in enumerate(names):
        word = "canary" if number % 5 == 0 else "others"
        db.execute("INSERT INTO t VALUES (?, ?)", [name, f"{word} {'x' * chance.randrange(900)}"])
    db.conn.commit()
    db.execute("DELETE FROM t WHERE b LIKE 'canary%'")
    rows = db.execute("SELECT * FROM t").fetchall()
    rewrite_tables(db, ["t"])
    db.conn.commit()
    assert empty_log(db)
    assert files_containing(tmp_path / "b.db", "canary") == []
    assert db.execute("SELECT * FROM t").fetchall() == rows
    db.close()


async def test_a_disconnected_token_is_in_no_file_even_with_a_concurrent_reader(
    tmp_path: Path,
) -> None:
    path = tmp_path / "data" / "b.db"
    database = await SqliteDatabase.open(path)
    accounts = make_repositories(database, secret_box()).of("T1").accounts
    sealed = []
    for person in ("U1", "U2"):
        account = await accounts.connect(
            person, BITRISE, SecretStr("t"), provider_user="x", name="x", at=NOON
        )
        sealed.append(account.sealed)
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM accounts").fetchall()
        await accounts.disconnect("U1", at=NOON)
        assert files_containing(path, sealed[0]) != []
        reader.rollback()
        assert database._emptying_task is not None
        await database.run_sqlite(empty_log)
    assert files_containing(path, sealed[0]) == []
    assert await accounts.find("U2", BITRISE) is not None
    backup = path.with_name("copy.db")
    back_up(path, backup)
    assert files_containing(path, sealed[0]) == []
    await database.close()


async def test_traces_in_the_log_of_a_killed_bot_are_removed_at_the_next_start(tmp_path: Path) -> None:
    path, killed = tmp_path / "data" / "b.db", tmp_path / "killed" / "b.db"
    database = await SqliteDatabase.open(path)
    accounts = make_repositories(database, secret_box()).of("T1").accounts
    account = await accounts.connect("U1", BITRISE, SecretStr("t"), provider_user="x", name="x", at=NOON)
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM accounts").fetchall()
        await accounts.disconnect("U1", at=NOON)
        killed.parent.mkdir()
        for name in ("b.db", "b.db-wal"):
            shutil.copyfile(path.with_name(name), killed.with_name(name))
    assert files_containing(killed, account.sealed) != []
    started = await SqliteDatabase.open(killed)
    assert files_containing(killed, account.sealed) == []
    await started.close()
    await database.close()


async def _store_many_users(database: Database) -> dict[str, str]:
    """Store so many users with values of different length that rows are moved. Returns the encrypted tokens."""
    here, chance = make_repositories(database, secret_box()).of("T1"), random.Random(7)
    sealed = {}
    for number in chance.sample(range(1000, 10_000), 200):
        person, name = f"U0{number}", f"canary-{number}-{'x' * chance.randrange(400)}"
        token = SecretStr("t" * chance.randrange(20, 900))
        account = await here.accounts.connect(person, BITRISE, token, provider_user=name, name=name, at=NOON)
        await here.user_profiles.save(UserProfile(user=person, name=name, email=f"{name}@example.com"))
        sealed[person] = account.sealed[:60]  # the rest may be on another page
    return sealed


async def test_of_many_disconnected_tokens_none_is_in_a_file(tmp_path: Path) -> None:
    """Connect, connect again and disconnect: in this order a token would remain in an unused part of a page."""
    path = tmp_path / "data" / "b.db"
    database = await SqliteDatabase.open(path)
    accounts, chance = make_repositories(database, secret_box()).of("T1").accounts, random.Random(0)
    sealed = {}

    async def connect(person: str, longest_name: int) -> None:
        token = SecretStr("t" * chance.randrange(20, 300))
        name = "x" * chance.randrange(longest_name) if longest_name else "x"
        account = await accounts.connect(person, BITRISE, token, provider_user="x", name=name, at=NOON)
        sealed[person] = account.sealed[:60]  # the rest may be on another page

    people = [f"U0{number}" for number in chance.sample(range(1000, 10_000), 60)]
    for person in people:
        await connect(person, 0)
    for _ in range(60):
        await connect(chance.choice(people), 90)
    removed = people[::3]
    for person in removed:
        await accounts.disconnect(person, at=NOON)
    content = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert [person for person in removed if sealed[person].encode() in content] == []
    assert sum(sealed[person].encode() in content for person in people if person not in removed) > 20
    await database.close()


async def test_of_many_erased_users_none_is_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "data" / "b.db"
    database = await SqliteDatabase.open(path)
    sealed = await _store_many_users(database)
    settings = {"DATABASE_URL": str(path), "BUILDBELL_SECRET_KEY": OLD}
    removed = list(sealed)[::40]
    for person in removed:
        code, output = await run_forked("erase-user", "T1", person, "--yes", **settings)
        assert code == 0, output
    content = b"".join(file.read_bytes() for file in path.parent.iterdir())
    for person in removed:
        for canary in (sealed[person], f"canary-{person[2:]}-"):
            assert canary.encode() not in content
    await database.close()


def test_a_backup_has_no_traces_of_deleted_rows(tmp_path: Path) -> None:
    path = tmp_path / "b.db"
    first_version(path, builds=50)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("UPDATE builds SET body = 'canary' || body")
        connection.commit()
        connection.execute("DELETE FROM builds")
        connection.commit()
    assert files_containing(path, "canary") != []
    target = tmp_path / "elsewhere" / "copy.db"
    target.parent.mkdir()
    back_up(path, target)
    assert files_containing(target, "canary") == []


def old_file_with_traces(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a file of the first version with traces of a deleted row; from here SQLite has `secure_delete` off by default."""
    path = folder / "data" / "b.db"
    path.parent.mkdir()
    first_version(path, builds=50)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("INSERT INTO looks (token) VALUES ('canary' || hex(zeroblob(3000)))")
        connection.commit()
        connection.execute("DELETE FROM looks")
        connection.commit()
    original = sqlite_utils.Database.enable_wal

    def enable_wal_without_secure_delete(db: sqlite_utils.Database) -> None:
        original(db)
        db.execute("PRAGMA secure_delete = OFF")

    monkeypatch.setattr(sqlite_utils.Database, "enable_wal", enable_wal_without_secure_delete)
    return path


async def test_an_update_removes_traces_of_older_versions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = old_file_with_traces(tmp_path, monkeypatch)
    database = await SqliteDatabase.open(path)
    assert await database.read(lambda db: db.execute("PRAGMA secure_delete").fetchone()[0]) == 1
    assert await database.run_sqlite(empty_log)
    assert files_containing(path, "canary") == []
    await database.close()


async def test_an_update_on_a_full_disk_removes_traces_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = old_file_with_traces(tmp_path, monkeypatch)

    def fail_with_full_disk(_db: sqlite_utils.Database) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as full:
        full.setattr("storage.sqlite_database.rewrite_file", fail_with_full_disk)
        await (await SqliteDatabase.open(path)).close()
    database = await SqliteDatabase.open(path)
    assert await database.rewrite_if_marked()
    assert files_containing(path, "canary") == []
    await database.close()


async def test_a_removed_workspace_is_in_no_file_after_the_file_was_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "data" / "b.db"
    database = await SqliteDatabase.open(path)
    storage = make_repositories(database, secret_box())
    account = await storage.of("T0GONE").accounts.connect(
        "U1", BITRISE, SecretStr("t"), provider_user="x", name="canary-name", at=NOON
    )
    await storage.wipe("T0GONE")
    assert files_containing(path, account.sealed) == []
    assert await database.rewrite_if_marked()
    assert not await database.rewrite_if_marked()
    for canary in ("T0GONE", "canary-name"):
        assert files_containing(path, canary) == []
    await database.close()


def test_the_file_can_be_rewritten_while_others_read(tmp_path: Path) -> None:
    first_version(tmp_path / "b.db")
    db, other = (sqlite_utils.Database(tmp_path / "b.db") for _ in range(2))
    other.enable_wal()
    rewrite_file(db)
    assert other.execute("SELECT COUNT(*) FROM builds").fetchone()[0] == 3
    db.close()
    other.close()
