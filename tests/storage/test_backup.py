"""Backup and restore: complete, verified and atomic."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from domain.build import BuildRequest, BuildState
from domain.build_filter import BuildFilter
from domain.notifications.rule import NotificationRule
from domain.poll_state import Baseline
from providers.bitrise.provider import BITRISE
from storage.backup import BackupCorrupt, BackupProblem, back_up, restore
from storage.connection import Connection
from storage.database import DatabaseDamaged, DatabaseInUse, DatabaseMissing, DatabaseNewer, DatabaseProblem
from storage.repositories import Repositories
from storage.sqlite_database import SqliteDatabase
from storage.watch_reset import WatchBaseline, reset_watching
from tests.storage.full_database import TEAM, create_full_database, dump_rows, secret_box, without_audit
from tests.storage.test_migrations import first_version
from tests.storage.test_poll_recorder import record_poll
from tests.support.factories import ANDROID, IOS, NOON, make_build, make_recipient

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    await create_full_database(tmp_path / "b.db")
    return tmp_path / "b.db"


def file_names(folder: Path) -> set[str]:
    """Return the names of the files in the folder, without the locks."""
    return {file.name for file in folder.iterdir() if file.suffix not in (".lock", ".beside")}


def leave_row_in_log(path: Path, statement: str) -> None:
    """Write a row that is only in the log, as a killed process leaves it."""
    copies = path.with_suffix(".copy"), path.with_suffix(".copy-wal")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute(statement)
    connection.commit()
    shutil.copyfile(path, copies[0])
    shutil.copyfile(f"{path}-wal", copies[1])
    connection.close()
    copies[0].replace(path)
    copies[1].replace(f"{path}-wal")


def test_a_backup_contains_every_row_in_one_private_file(path: Path) -> None:
    target = path.parent / "elsewhere" / "copy.db"
    target.parent.mkdir()
    saved = back_up(path, target)
    assert dump_rows(target) == dump_rows(path)
    assert saved.rows["accounts"] == 4
    assert saved.rows["audit"] == 4
    assert saved.size == target.stat().st_size
    assert saved.sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert file_names(target.parent) == {"copy.db"}


async def test_a_backup_is_a_consistent_snapshot_while_a_bot_writes(path: Path) -> None:
    database = await SqliteDatabase.open(path)
    done = asyncio.Event()

    async def write_until_done() -> int:
        count = 0
        while not done.is_set():
            count += 1
            pair = [f"{count} {half}" for half in (1, 2)]
            await database.write(partial(insert, pair))
        return count

    writing = asyncio.create_task(write_until_done())
    for number in range(8):
        saved = await asyncio.to_thread(back_up, path, path.with_name(f"copy{number}.db"))
        assert saved.rows["looks"] % 2 == 1  # one existed before, the others are written in pairs
    done.set()
    assert await writing > 8
    await database.close()


def insert(tokens: list[str], db: Connection) -> None:
    for token in tokens:
        db.execute("INSERT INTO looks (token) VALUES (?)", [token])


def test_a_backup_contains_the_log_of_a_killed_bot(path: Path) -> None:
    leave_row_in_log(path, "INSERT INTO looks (token) VALUES ('in the log')")
    back_up(path, path.with_name("copy.db"))
    assert "in the log" in dump_rows(path.with_name("copy.db"))


def test_an_existing_file_is_overwritten_only_on_request(path: Path) -> None:
    target = path.with_name("copy.db")
    target.write_text("somebody's letters")
    with pytest.raises(BackupProblem, match="already exists"):
        back_up(path, target)
    assert target.read_text() == "somebody's letters"
    back_up(path, target, overwrite=True)
    assert dump_rows(target) == dump_rows(path)


@pytest.mark.parametrize("name", ["b.db", "b.db-wal", "b.db-shm", "link.db"])
def test_the_database_is_never_overwritten_by_its_own_backup(path: Path, name: str) -> None:
    os.link(path, path.with_name("link.db"))
    before = path.read_bytes()
    with pytest.raises(BackupProblem, match="the database itself"):
        back_up(path, path.with_name(name), overwrite=True)
    assert path.read_bytes() == before


def test_a_backup_is_refused_without_a_database_or_target_folder(path: Path) -> None:
    with pytest.raises(DatabaseMissing):
        back_up(path.with_name("none.db"), path.with_name("copy.db"))
    with pytest.raises(BackupProblem, match=r"the folder .* does not exist"):
        back_up(path, path.parent / "nowhere" / "copy.db")
    with pytest.raises(BackupProblem, match="is a folder"):
        back_up(path, path.parent)
    assert file_names(path.parent) == {"b.db"}


def overwrite_a_page(path: Path, page: int = -2) -> None:
    content = bytearray(path.read_bytes())
    pages = len(content) // 4096
    start = (page % pages) * 4096
    content[start : start + 4096] = b"\x5a" * 4096
    path.write_bytes(content)


def test_a_damaged_database_does_not_overwrite_a_good_backup(path: Path) -> None:
    target = path.with_name("copy.db")
    back_up(path, target)
    good = target.read_bytes()
    overwrite_a_page(path)
    with pytest.raises(DatabaseDamaged):
        back_up(path, target, overwrite=True)
    assert target.read_bytes() == good
    assert not [name for name in file_names(path.parent) if name.startswith(".")]


def test_a_backup_of_a_forged_audit_log_is_not_kept(path: Path) -> None:
    forge(path)
    with pytest.raises(BackupCorrupt, match=f"audit log of workspace {TEAM} .* entry 1 was changed"):
        back_up(path, path.with_name("copy.db"))
    assert "copy.db" not in file_names(path.parent)


def forge(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER audit_is_not_changed")
    connection.execute("UPDATE audit SET body = '{}' WHERE team_id = ? AND seq = 1", [TEAM])
    connection.commit()
    connection.close()


def restore_backup(backup: Path, path: Path) -> Path:
    old = restore(backup, path, at=NOON, vault=secret_box()).kept
    assert old is not None
    return old


def test_a_restore_brings_back_every_row_and_keeps_the_old_database(path: Path) -> None:
    backup = path.with_name("copy.db")
    back_up(path, backup)
    saved, copy = without_audit(path), backup.read_bytes()
    leave_row_in_log(path, "INSERT INTO looks (token) VALUES ('from after the backup')")
    old = restore_backup(backup, path)
    assert old.name == "b.db.before-restore-20261121T120000Z"
    assert without_audit(path) == saved
    assert "from after the backup" in dump_rows(old)
    assert backup.read_bytes() == copy
    assert file_names(path.parent) == {"b.db", "copy.db", old.name}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # A second restore within the same second keeps both old databases.
    assert restore_backup(backup, path).name == f"{old.name}-2"


def test_a_damaged_database_is_kept_byte_for_byte_with_its_log(path: Path) -> None:
    backup = path.with_name("copy.db")
    back_up(path, backup)
    leave_row_in_log(path, "INSERT INTO looks (token) VALUES ('from after the backup')")
    overwrite_a_page(path)
    damaged, log = path.read_bytes(), path.with_name("b.db-wal").read_bytes()
    old = restore_backup(backup, path)
    assert old.read_bytes() == damaged
    assert old.with_name(old.name + "-wal").read_bytes() == log
    assert "from after the backup" not in dump_rows(path)


def test_a_stale_log_is_not_applied_to_the_restored_database(path: Path) -> None:
    backup = path.with_name("copy.db")
    back_up(path, backup)
    saved = without_audit(path)
    leave_row_in_log(path, "INSERT INTO looks (token) VALUES ('stale')")
    path.unlink()
    assert restore(backup, path, at=NOON, vault=secret_box()).kept is None
    assert without_audit(path) == saved


def test_a_restore_works_without_an_old_database(path: Path, tmp_path: Path) -> None:
    backup = path.with_name("copy.db")
    back_up(path, backup)
    new = tmp_path / "new" / "b.db"
    assert restore(backup, new, at=NOON, vault=secret_box()).kept is None
    assert without_audit(new) == without_audit(path)


async def test_a_restore_is_refused_while_a_bot_or_another_command_runs(path: Path) -> None:
    backup = path.with_name("copy.db")
    back_up(path, backup)
    for opened in (SqliteDatabase.open, SqliteDatabase.open_shared):
        database = await opened(path)
        with pytest.raises(DatabaseInUse):
            restore(backup, path, at=NOON)
        await database.close()
    assert file_names(path.parent) == {"b.db", "copy.db"}
    restore_backup(backup, path)


def delete_backup(backup: Path) -> None:
    backup.unlink()


def overwrite_with_text(backup: Path) -> None:
    backup.write_text("dear diary, " * 1000)


def empty_backup(backup: Path) -> None:
    backup.write_bytes(b"")


def truncate_backup(backup: Path) -> None:
    content = backup.read_bytes()
    backup.write_bytes(content[: len(content) // 2])


def make_another_programs_database(backup: Path) -> None:
    backup.unlink()
    connection = sqlite3.connect(backup)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()


def make_newer(backup: Path) -> None:
    connection = sqlite3.connect(backup)
    connection.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('buildbell', 'm999_later', '2030')"
    )
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (delete_backup, "does not exist"),
        (overwrite_with_text, "copy.db is damaged"),
        (empty_backup, "copy.db is not a Buildbell database"),
        (truncate_backup, "copy.db is damaged"),
        (overwrite_a_page, "copy.db is damaged"),
        (make_another_programs_database, "copy.db is another program's database"),
        (make_newer, "m999_later"),
        (forge, "audit log of workspace"),
    ],
)
def test_an_invalid_backup_changes_nothing(path: Path, spoil: Callable[[Path], None], message: str) -> None:
    backup = path.with_name("copy.db")
    back_up(path, backup)
    spoil(backup)
    before, inode = path.read_bytes(), path.stat().st_ino
    with pytest.raises((BackupProblem, BackupCorrupt, DatabaseProblem), match=message):
        restore(backup, path, at=NOON)
    assert (path.read_bytes(), path.stat().st_ino) == (before, inode)
    assert file_names(path.parent) - {"copy.db"} == {"b.db"}


def test_a_newer_database_can_be_replaced_and_is_kept_with_its_log(path: Path) -> None:
    backup = path.with_name("copy.db")
    back_up(path, backup)
    make_newer(path)
    with pytest.raises(DatabaseNewer):
        back_up(path, path.with_name("other.db"))
    leave_row_in_log(path, "INSERT INTO looks (token) VALUES ('in the log')")
    old = restore_backup(backup, path)
    assert "m999_later" in dump_rows(old)
    assert "in the log" in dump_rows(old)
    assert not old.with_name(old.name + "-wal").exists()


def test_an_older_backup_is_migrated(tmp_path: Path) -> None:
    first_version(tmp_path / "old.db")
    before = (tmp_path / "old.db").read_bytes()
    result = restore(tmp_path / "old.db", tmp_path / "b.db", at=NOON)
    assert "m004_many_workspaces" in result.steps
    assert "m001_watch_and_tell" not in result.steps
    assert result.rows["subscriptions"] == 1
    assert (tmp_path / "old.db").read_bytes() == before


def test_a_manual_copy_is_restored_with_its_log(path: Path) -> None:
    leave_row_in_log(path, "INSERT INTO looks (token) VALUES ('in the log')")
    manual_copy = path.with_name("byhand.db")
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{path}{suffix}", f"{manual_copy}{suffix}")
    restore_backup(manual_copy, path)
    assert "in the log" in dump_rows(path)
    assert manual_copy.with_name("byhand.db-wal").exists()


KILLED_AT = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from storage.encryption import SecretBox
from storage.backup import restore

def count(name, left):
    real = getattr(os, name)
    def call(*given, **more):
        if left[0] == 0:
            os._exit(9)
        left[0] -= 1
        return real(*given, **more)
    setattr(os, name, call)

for line in sys.stdin:
    backup, path, point = line.split()
    child = os.fork()
    if child == 0:
        left = [int(point)]
        for name in ("open", "close", "fsync", "link", "unlink", "replace", "rename"):
            count(name, left)
        restore(Path(backup), Path(path), at=datetime.now(UTC), vault=SecretBox(["old-" * 10]))
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_a_kill_at_any_point_of_a_restore_leaves_the_old_or_the_new_database(tmp_path: Path) -> None:
    asyncio.run(create_full_database(tmp_path / "old.db"))
    asyncio.run(create_full_database(tmp_path / "new.db"))
    insert_token(tmp_path / "new.db", "new")
    outcomes: list[bool] = []
    code = 9
    command = [sys.executable, "-c", KILLED_AT]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as killed:
        assert killed.stdin is not None
        assert killed.stdout is not None
        while code == 9:
            folder = tmp_path / str(len(outcomes))
            folder.mkdir()
            path, backup = folder / "b.db", folder / "copy.db"
            shutil.copyfile(tmp_path / "old.db", path)
            shutil.copyfile(tmp_path / "new.db", backup)
            leave_row_in_log(path, "INSERT INTO looks (token) VALUES ('old')")
            print(backup, path, len(outcomes), file=killed.stdin, flush=True)
            code = int(killed.stdout.readline())
            assert path.exists()
            back_up(path, folder / "again.db")
            found = dump_rows(folder / "again.db")
            assert ("'token': 'old'" in found) is not ("'token': 'new'" in found)
            outcomes.append("'token': 'new'" in found)
            # The next restore removes temporary files that were left.
            restore_backup(backup, path)
            assert not [name for name in file_names(folder) if name.startswith(".b.db.restore")]
        killed.stdin.close()
    assert code == 0
    assert outcomes == sorted(outcomes)
    assert (outcomes[0], outcomes[-1]) == (False, True)
    assert len(outcomes) > 10


def insert_token(path: Path, token: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO looks (token) VALUES (?)", [token])
    connection.commit()
    connection.close()


async def test_resetting_drops_pending_notifications_and_starts_from_the_current_builds(
    repositories: Repositories,
) -> None:
    subscriptions = repositories.of("T1").subscriptions
    await subscriptions.add(
        channel="C1", app=ANDROID, terms=NotificationRule(), by="U1", at=NOON, baseline=Baseline()
    )
    await subscriptions.add(
        channel="C1", app=IOS, terms=NotificationRule(), by="U1", at=NOON, baseline=Baseline()
    )
    for number in (2, 3):
        once = NotificationRule(filter=BuildFilter(builds=frozenset({make_build(number).slug})), once=True)
        await subscriptions.add(channel="D1", app=ANDROID, terms=once, by="U1", at=NOON, baseline=None)
    await record_poll(
        repositories, make_build(1), make_build(2, BuildState.RUNNING), make_build(3, BuildState.RUNNING)
    )
    current = (
        make_build(2, BuildState.FAILED),
        make_build(3, BuildState.RUNNING),
        make_build(4, BuildState.RUNNING),
        make_build(5),
    )
    request = BuildRequest(provider=BITRISE, app_slug=ANDROID.slug, slug="r1")
    baseline = WatchBaseline({ANDROID.slug: Baseline(builds=current, at=current[-1].triggered_at)}, [request])
    assert (
        await repositories.database.write(lambda db: reset_watching(db, baseline, NOON + timedelta(hours=1)))
        == 1
    )

    assert await repositories.build_requests.open(BITRISE, ANDROID.slug) == [request]
    state = await repositories.watched_builds.state("t", BITRISE)
    assert set(state.open_builds) == {make_build(3).slug, make_build(4).slug}
    assert [subscription.terms.filter.builds for subscription in await subscriptions.of_channel("D1")] == [
        {make_build(3).slug}
    ]
    late_ios = make_build(7, app=IOS)
    await record_poll(repositories, *current, make_build(1), late_ios)
    assert await repositories.outbox.depth() == 0
    await record_poll(
        repositories, make_build(3), make_build(4, BuildState.FAILED), make_build(6, BuildState.FAILED)
    )
    due = await repositories.outbox.due(make_recipient("C1"), 10, NOON)
    assert [notification.build.number for notification in due] == [3, 4, 6]
    # Builds that ended unnoticed still count in their failure streaks.
    positions = [notification.standing and notification.standing.position for notification in due]
    assert positions == ["overtaken", "overtaken", "broken"]


def test_an_error_while_dropping_notifications_keeps_the_old_database(path: Path) -> None:
    backup = path.with_name("copy.db")
    back_up(path, backup)
    before = dump_rows(path)

    def forget(db: Connection) -> int:
        dropped = reset_watching(db, WatchBaseline(), NOON)
        raise TimeoutError(f"Bitrise is away, after {dropped}")

    with pytest.raises(TimeoutError):
        restore(backup, path, at=NOON, forget=forget)
    assert dump_rows(path) == before
    assert file_names(path.parent) == {"b.db", "copy.db"}
