"""Copies of the database: whole, checked, and put back so that no kill leaves half of one."""

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
import sqlite_utils

from domain.build import BuildState
from domain.build_filter import BuildFilter
from domain.build_request import BuildRequest
from domain.notifications.rule import NotificationRule
from domain.poll_state import Baseline
from domain.provider import Provider
from storage.backup import BackupCorrupt, BackupProblem, back_up, restore
from storage.database import (
    Database,
    DatabaseDamaged,
    DatabaseInUse,
    DatabaseMissing,
    DatabaseNewer,
    DatabaseProblem,
)
from storage.repositories import Repositories
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


def names_in(folder: Path) -> set[str]:
    """What lies in the folder, but for the locks."""
    return {one.name for one in folder.iterdir() if one.suffix not in (".lock", ".beside")}


def wal_left_behind(path: Path, statement: str) -> None:
    """A row that a killed process has written: it is in the log alone."""
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


def test_a_backup_holds_every_row_and_is_one_file_for_its_owner_alone(path: Path) -> None:
    target = path.parent / "elsewhere" / "copy.db"
    target.parent.mkdir()
    saved = back_up(path, target)
    assert dump_rows(target) == dump_rows(path)
    assert saved.rows["accounts"] == 4
    assert saved.rows["audit"] == 4
    assert saved.size == target.stat().st_size
    assert saved.sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert names_in(target.parent) == {"copy.db"}


async def test_a_backup_is_of_one_moment_while_a_bot_writes_on(path: Path) -> None:
    database = await Database.open(path)
    done = asyncio.Event()

    async def write_on() -> int:
        count = 0
        while not done.is_set():
            count += 1
            pair = [f"{count} {half}" for half in (1, 2)]
            await database.write(partial(insert, pair))
        return count

    writing = asyncio.create_task(write_on())
    for number in range(8):
        saved = await asyncio.to_thread(back_up, path, path.with_name(f"copy{number}.db"))
        assert saved.rows["looks"] % 2 == 1  # one was there before, the others come in pairs
    done.set()
    assert await writing > 8
    await database.close()


def insert(tokens: list[str], db: sqlite_utils.Database) -> None:
    for token in tokens:
        db.execute("INSERT INTO looks (token) VALUES (?)", [token])


def test_a_backup_has_what_a_killed_bot_left_in_its_log(path: Path) -> None:
    wal_left_behind(path, "INSERT INTO looks (token) VALUES ('in the log')")
    back_up(path, path.with_name("copy.db"))
    assert "in the log" in dump_rows(path.with_name("copy.db"))


def test_a_file_that_is_there_is_written_over_only_where_that_is_asked_for(path: Path) -> None:
    target = path.with_name("copy.db")
    target.write_text("somebody's letters")
    with pytest.raises(BackupProblem, match="there already"):
        back_up(path, target)
    assert target.read_text() == "somebody's letters"
    back_up(path, target, overwrite=True)
    assert dump_rows(target) == dump_rows(path)


@pytest.mark.parametrize("name", ["b.db", "b.db-wal", "b.db-shm", "link.db"])
def test_the_database_is_never_written_over_by_its_own_backup(path: Path, name: str) -> None:
    os.link(path, path.with_name("link.db"))
    before = path.read_bytes()
    with pytest.raises(BackupProblem, match="the database itself"):
        back_up(path, path.with_name(name), overwrite=True)
    assert path.read_bytes() == before


def test_a_backup_is_refused_where_there_is_nothing_to_save_or_no_place_for_it(path: Path) -> None:
    with pytest.raises(DatabaseMissing):
        back_up(path.with_name("none.db"), path.with_name("copy.db"))
    with pytest.raises(BackupProblem, match="no folder"):
        back_up(path, path.parent / "nowhere" / "copy.db")
    with pytest.raises(BackupProblem, match="is a folder"):
        back_up(path, path.parent)
    assert names_in(path.parent) == {"b.db"}


def overwrite_a_page(path: Path, page: int = -2) -> None:
    content = bytearray(path.read_bytes())
    pages = len(content) // 4096
    start = (page % pages) * 4096
    content[start : start + 4096] = b"\x5a" * 4096
    path.write_bytes(content)


def test_a_damaged_database_is_not_backed_up_over_a_good_backup(path: Path) -> None:
    target = path.with_name("copy.db")
    back_up(path, target)
    good = target.read_bytes()
    overwrite_a_page(path)
    with pytest.raises(DatabaseDamaged):
        back_up(path, target, overwrite=True)
    assert target.read_bytes() == good
    assert not [name for name in names_in(path.parent) if name.startswith(".")]


def test_a_backup_of_a_forged_audit_log_is_not_kept(path: Path) -> None:
    forge(path)
    with pytest.raises(BackupCorrupt, match=f"audit log of workspace {TEAM} .* entry 1 was changed"):
        back_up(path, path.with_name("copy.db"))
    assert "copy.db" not in names_in(path.parent)


def forge(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("DROP TRIGGER audit_is_not_changed")
    connection.execute("UPDATE audit SET body = '{}' WHERE team_id = ? AND seq = 1", [TEAM])
    connection.commit()
    connection.close()


def put_back(backup: Path, path: Path) -> Path:
    kept = restore(backup, path, at=NOON, vault=secret_box()).kept
    assert kept is not None
    return kept


def test_a_restore_brings_back_every_row_and_keeps_what_was_there(path: Path) -> None:
    backup = path.with_name("copy.db")
    back_up(path, backup)
    saved, copy = without_audit(path), backup.read_bytes()
    wal_left_behind(path, "INSERT INTO looks (token) VALUES ('from after the backup')")
    kept = put_back(backup, path)
    assert kept.name == "b.db.before-restore-20261121T120000Z"
    assert without_audit(path) == saved
    assert "from after the backup" in dump_rows(kept)
    assert backup.read_bytes() == copy
    assert names_in(path.parent) == {"b.db", "copy.db", kept.name}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # A second one within the same second keeps the first one's too.
    assert put_back(backup, path).name == f"{kept.name}-2"


def test_a_damaged_database_is_kept_byte_for_byte_with_its_log(path: Path) -> None:
    backup = path.with_name("copy.db")
    back_up(path, backup)
    wal_left_behind(path, "INSERT INTO looks (token) VALUES ('from after the backup')")
    overwrite_a_page(path)
    damaged, log = path.read_bytes(), path.with_name("b.db-wal").read_bytes()
    kept = put_back(backup, path)
    assert kept.read_bytes() == damaged
    assert kept.with_name(kept.name + "-wal").read_bytes() == log
    assert "from after the backup" not in dump_rows(path)


def test_a_stale_log_is_not_played_into_what_was_restored(path: Path) -> None:
    backup = path.with_name("copy.db")
    back_up(path, backup)
    saved = without_audit(path)
    wal_left_behind(path, "INSERT INTO looks (token) VALUES ('stale')")
    path.unlink()
    assert restore(backup, path, at=NOON, vault=secret_box()).kept is None
    assert without_audit(path) == saved


def test_a_restore_onto_a_machine_where_nothing_was(path: Path, tmp_path: Path) -> None:
    backup = path.with_name("copy.db")
    back_up(path, backup)
    new = tmp_path / "new" / "b.db"
    assert restore(backup, new, at=NOON, vault=secret_box()).kept is None
    assert without_audit(new) == without_audit(path)


async def test_a_restore_is_refused_while_a_bot_runs_or_another_command_is_at_work(path: Path) -> None:
    backup = path.with_name("copy.db")
    back_up(path, backup)
    for opened in (Database.open, Database.open_shared):
        database = await opened(path)
        with pytest.raises(DatabaseInUse):
            restore(backup, path, at=NOON)
        await database.close()
    assert names_in(path.parent) == {"b.db", "copy.db"}
    put_back(backup, path)


def spoil_nothing(backup: Path) -> None:
    backup.unlink()


def spoil_with_words(backup: Path) -> None:
    backup.write_text("dear diary, " * 1000)


def spoil_emptied(backup: Path) -> None:
    backup.write_bytes(b"")


def spoil_cut(backup: Path) -> None:
    content = backup.read_bytes()
    backup.write_bytes(content[: len(content) // 2])


def spoil_another_programs(backup: Path) -> None:
    backup.unlink()
    connection = sqlite3.connect(backup)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()


def spoil_newer(backup: Path) -> None:
    connection = sqlite3.connect(backup)
    connection.execute(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('buildbell', 'm999_later', '2030')"
    )
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_nothing, "there is no file"),
        (spoil_with_words, "copy.db is damaged"),
        (spoil_emptied, "copy.db is no database of Buildbell's"),
        (spoil_cut, "copy.db is damaged"),
        (overwrite_a_page, "copy.db is damaged"),
        (spoil_another_programs, "copy.db is another program's database"),
        (spoil_newer, "m999_later"),
        (forge, "audit log of workspace"),
    ],
)
def test_a_backup_that_is_not_sound_leaves_everything_as_it_was(
    path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    backup = path.with_name("copy.db")
    back_up(path, backup)
    spoil(backup)
    before, inode = path.read_bytes(), path.stat().st_ino
    with pytest.raises((BackupProblem, BackupCorrupt, DatabaseProblem), match=words):
        restore(backup, path, at=NOON)
    assert (path.read_bytes(), path.stat().st_ino) == (before, inode)
    assert names_in(path.parent) - {"copy.db"} == {"b.db"}


def test_a_newer_database_can_be_gone_back_from_with_its_log_taken_in(path: Path) -> None:
    backup = path.with_name("copy.db")
    back_up(path, backup)
    spoil_newer(path)
    with pytest.raises(DatabaseNewer):
        back_up(path, path.with_name("other.db"))
    wal_left_behind(path, "INSERT INTO looks (token) VALUES ('in the log')")
    kept = put_back(backup, path)
    assert "m999_later" in dump_rows(kept)
    assert "in the log" in dump_rows(kept)
    assert not kept.with_name(kept.name + "-wal").exists()


def test_an_older_backup_is_brought_up_to_date(tmp_path: Path) -> None:
    first_version(tmp_path / "old.db")
    before = (tmp_path / "old.db").read_bytes()
    done = restore(tmp_path / "old.db", tmp_path / "b.db", at=NOON)
    assert "m004_many_workspaces" in done.steps
    assert "m001_watch_and_tell" not in done.steps
    assert done.rows["subscriptions"] == 1
    assert (tmp_path / "old.db").read_bytes() == before


def test_a_copy_that_was_made_by_hand_with_its_log_is_restored_with_it(path: Path) -> None:
    wal_left_behind(path, "INSERT INTO looks (token) VALUES ('in the log')")
    byhand = path.with_name("byhand.db")
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{path}{suffix}", f"{byhand}{suffix}")
    put_back(byhand, path)
    assert "in the log" in dump_rows(path)
    assert byhand.with_name("byhand.db-wal").exists()


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


def test_a_kill_at_any_point_of_a_restore_leaves_the_old_or_the_new_one_whole(tmp_path: Path) -> None:
    asyncio.run(create_full_database(tmp_path / "old.db"))
    asyncio.run(create_full_database(tmp_path / "new.db"))
    mark(tmp_path / "new.db", "new")
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
            wal_left_behind(path, "INSERT INTO looks (token) VALUES ('old')")
            print(backup, path, len(outcomes), file=killed.stdin, flush=True)
            code = int(killed.stdout.readline())
            assert path.exists()
            back_up(path, folder / "again.db")
            found = dump_rows(folder / "again.db")
            assert ("'token': 'old'" in found) is not ("'token': 'new'" in found)
            outcomes.append("'token': 'new'" in found)
            # Whatever was left lying about goes with the next one.
            put_back(backup, path)
            assert not [one for one in names_in(folder) if one.startswith(".b.db.restore")]
        killed.stdin.close()
    assert code == 0
    assert outcomes == sorted(outcomes)
    assert (outcomes[0], outcomes[-1]) == (False, True)
    assert len(outcomes) > 10


def mark(path: Path, token: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO looks (token) VALUES (?)", [token])
    connection.commit()
    connection.close()


async def test_forgetting_what_is_owed_drops_it_and_begins_with_what_is_there_now(
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
    now = (
        make_build(2, BuildState.FAILED),
        make_build(3, BuildState.RUNNING),
        make_build(4, BuildState.RUNNING),
        make_build(5),
    )
    waits = BuildRequest(app_slug=ANDROID.slug, slug="r1")
    beginning = WatchBaseline({ANDROID.slug: Baseline(builds=now, at=now[-1].triggered_at)}, [waits])
    assert (
        await repositories.database.write(lambda db: reset_watching(db, beginning, NOON + timedelta(hours=1)))
        == 1
    )

    assert await repositories.build_requests.open(Provider.BITRISE, ANDROID.slug) == [waits]
    open_now = await repositories.watched_builds.state("t", Provider.BITRISE)
    assert set(open_now.open_builds) == {make_build(3).slug, make_build(4).slug}
    assert [one.terms.filter.builds for one in await subscriptions.of_channel("D1")] == [{make_build(3).slug}]
    late_ios = make_build(7, app=IOS)
    await record_poll(repositories, *now, make_build(1), late_ios)
    assert await repositories.outbox.depth() == 0
    await record_poll(
        repositories, make_build(3), make_build(4, BuildState.FAILED), make_build(6, BuildState.FAILED)
    )
    told = await repositories.outbox.due(make_recipient("C1"), 10, NOON)
    assert [one.build.number for one in told] == [3, 4, 6]
    # What ended unseen counts in its series all the same.
    positions = [one.standing and one.standing.position for one in told]
    assert positions == ["overtaken", "overtaken", "broken"]


def test_whatever_breaks_while_forgetting_leaves_the_old_database(path: Path) -> None:
    backup = path.with_name("copy.db")
    back_up(path, backup)
    before = dump_rows(path)

    def forget(db: sqlite_utils.Database) -> int:
        in_the_way = reset_watching(db, WatchBaseline(), NOON)
        raise TimeoutError(f"Bitrise is away, after {in_the_way}")

    with pytest.raises(TimeoutError):
        restore(backup, path, at=NOON, forget=forget)
    assert dump_rows(path) == before
    assert names_in(path.parent) == {"b.db", "copy.db"}
