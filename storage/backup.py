"""Backup of the database while the bot writes, and an atomic restore.

A restore brings back the state at the time of the backup. Builds that were notified between the backup and the restore
are notified again, unless pending notifications are dropped (`storage.watch_reset`).
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from domain.audit_chain import AuditEntry, ChainBroken, Event, PersonalFields
from storage.audit_anchor_lines import AnchorEvent
from storage.audit_log import append, teams_with_chains, verify_chain
from storage.audit_register import (
    ChainEnds,
    RegisterChange,
    change_register,
    ends_of,
    read_register,
    rebuild_register,
    replace_waiting_lines,
    restore_triggers,
    start_missing_chains,
    statement,
    waiting_lines,
)
from storage.connection import Connection
from storage.database import DatabaseDamaged, DatabaseInUse, DatabaseMissing, DatabaseNewer, DatabaseProblem
from storage.encryption import SecretBox
from storage.migrations import known_migrations
from storage.private_files import FILE_MODE, make_file, make_folder
from storage.sqlite_database import (
    BUSY_SECONDS,
    SqliteConnection,
    bring_up_to_date,
    check,
    in_transaction,
    lock_commands_out,
    lock_exclusive,
    lock_shared,
)

# Files that SQLite keeps next to a database that is open, or was open when the power failed.
_SQLITE_SUFFIXES = ("-wal", "-shm", "-journal")


class BackupProblem(Exception):
    """A backup or restore is not possible; the message says what to do."""


class BackupCorrupt(Exception):
    """The copy is corrupt, so it was discarded; the message says what is wrong."""


@dataclass(frozen=True)
class BackupResult:
    """A verified backup: the number of rows of each table, the size in bytes, and the SHA-256."""

    path: Path
    rows: Mapping[str, int]
    size: int
    sha256: str


@dataclass(frozen=True)
class RestoreResult:
    """The restored database. `kept`: path of the replaced database. `steps`: the migrations that were applied.

    `forgotten`: how many pending notifications were dropped.
    """

    rows: Mapping[str, int]
    kept: Path | None = None
    steps: frozenset[str] = field(default_factory=frozenset)
    forgotten: int | None = None


def back_up(path: Path, target: Path, *, overwrite: bool = False) -> BackupResult:
    """Copy the database to a new file that only its owner can read. The bot may write at the same time.

    The copy is a consistent snapshot. It gets its name only after it was checked and written to disk. Raises
    DatabaseProblem, BackupProblem, BackupCorrupt.
    """
    if not path.exists() or path.stat().st_size == 0:
        raise DatabaseMissing(f"there is no database at {path}. Set DATABASE_URL to the bot's own file.")
    _check_target(path, target, overwrite=overwrite)
    lock = lock_shared(path)
    try:
        check(path)
        with _temporary_file(target, "backup") as copy:
            _copy_online(path, copy)
            rows, _ = _examine(copy, target.name)
            if not overwrite and target.exists():
                raise BackupProblem(_file_exists_text(target))
            saved = BackupResult(target, rows, copy.stat().st_size, _sha256(copy))
            _replace_file(copy, target)
    finally:
        lock.close()
    return saved


def restore(
    backup: Path,
    path: Path,
    *,
    at: datetime,
    vault: SecretBox | None = None,
    anchor: str = "",
    forget: Callable[[Connection], int] | None = None,
) -> RestoreResult:
    """Replace the database with a backup, and keep the old database under a name with the time.

    A copy next to the database is checked and migrated, `forget` drops pending notifications, and each audit log gets
    an entry, sealed by `vault`. `anchor` is the name of the audit log's anchor. Then the copy is renamed, so that a
    kill leaves either the complete old or the complete new database. Raises DatabaseInUse while a bot runs,
    DatabaseProblem, BackupProblem, BackupCorrupt; then nothing was changed.
    """
    if not backup.is_file():
        raise BackupProblem(f"{backup} does not exist.")
    if path.exists() and backup.samefile(path):
        raise BackupProblem(f"{backup} is the database itself. Name a backup of it.")
    make_folder(path)
    with ExitStack() as stack:
        stack.callback(lock_exclusive(path).close)
        stack.callback(lock_commands_out(path).close)
        _remove_leftovers(path)
        copy = stack.enter_context(_temporary_file(path, "restore"))
        _copy_raw(backup, copy)
        steps = known_migrations() - _examine(copy, backup.name)[1]
        with closing(bring_up_to_date(copy)) as db:
            forgotten = in_transaction(db, forget) if forget is not None else None
            before = _read_old_audit(path)
            in_transaction(db, lambda db: _log_restore(db, vault, anchor, before, backup.name, at))
            _merge_log_into_file(db)
        kept = _keep_old_database(path, at)
        _replace_file(copy, path)
        with closing(bring_up_to_date(path)) as db:
            return RestoreResult(_rows(db), kept, frozenset(steps), forgotten)


def _check_target(path: Path, target: Path, *, overwrite: bool) -> None:
    if not target.parent.is_dir():
        raise BackupProblem(f"the folder {target.parent} does not exist. Create it first.")
    if target.is_dir():
        raise BackupProblem(f"{target} is a folder. Name a file in it.")
    database_files = {
        path.resolve(),
        *(path.resolve().with_name(path.name + suffix) for suffix in _SQLITE_SUFFIXES),
    }
    if target.resolve() in database_files or (target.exists() and target.samefile(path)):
        raise BackupProblem(f"{target} is the database itself. Name another file.")
    if target.exists() and not overwrite:
        raise BackupProblem(_file_exists_text(target))


def _file_exists_text(target: Path) -> str:
    return f"{target} already exists. Name another file, or add --force."


@contextmanager
def _temporary_file(target: Path, what: str) -> Iterator[Path]:
    """Make a temporary file in the same folder, deleted at the end unless it was renamed."""
    path = target.with_name(f".{target.name}.{what}-{secrets.token_hex(6)}")
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
    try:
        yield path
    finally:
        _remove(path)


def _remove_leftovers(path: Path) -> None:
    """Delete temporary files of killed restores. The locks ensure that no other restore is running."""
    for leftover in path.parent.glob(f".{path.name}.restore-*"):
        leftover.unlink(missing_ok=True)


def _copy_online(path: Path, copy: Path) -> None:
    """Copy a consistent snapshot with SQLite's backup API. In WAL mode readers don't block writers."""
    # Not read-only: a killed process may have left a log that must be recovered first.
    with (
        closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)
        ) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        try:
            source.backup(target)
            # A single file, which can be read even in a read-only folder. VACUUM removes traces of deleted rows.
            target.execute("PRAGMA journal_mode = DELETE")
            target.execute("VACUUM")
        except sqlite3.DatabaseError as error:
            raise BackupCorrupt(f"{path} can't be copied ({error}).") from error


def _copy_raw(backup: Path, copy: Path) -> None:
    """Copy the file with its log, which exists if the backup was copied without SQLite."""
    shutil.copyfile(backup, copy)
    for suffix in ("-wal", "-journal"):
        if (log := backup.with_name(backup.name + suffix)).exists():
            log_copy = copy.with_name(copy.name + suffix)
            make_file(log_copy)
            shutil.copyfile(log, log_copy)


def _examine(copy: Path, name: str) -> tuple[dict[str, int], set[str]]:
    """Check a copy completely. Returns the number of rows of its tables, and its applied migrations.

    `name` is the file name for error messages. Raises BackupCorrupt, DatabaseProblem.
    """
    try:
        applied = check(copy)
    except DatabaseDamaged as error:
        # The rest of the message is about the bot's own file.
        raise BackupCorrupt(str(error).replace(str(copy), name).split(". ")[0].rstrip(".") + ".") from error
    except DatabaseProblem as error:
        raise type(error)(str(error).replace(str(copy), name)) from error
    if not applied:
        raise BackupCorrupt(f"{name} is not a Buildbell database.")
    with closing(sqlite3.connect(copy)) as connection:
        db = SqliteConnection.over(connection)
        try:
            found = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
            if found != "ok":
                raise BackupCorrupt(f"{name} is damaged ({' '.join(found.split())}).")
            if violation := connection.execute("PRAGMA foreign_key_check").fetchone():
                raise BackupCorrupt(f"{name} is damaged (a row of {violation[0]} refers to a missing row).")
            for team in teams_with_chains(db) if "audit_chains" in db.db.table_names() else ():
                _check_audit(db, team, name)
            return _rows(db), applied
        except sqlite3.DatabaseError as error:
            raise BackupCorrupt(f"{name} is damaged ({error}).") from error


@dataclass(frozen=True)
class _OldAudit:
    """The replaced database's anchor, the last line that it made, and the lines that it has not sent yet."""

    anchor: str
    last_line: str | None
    waiting: list[str]


def _read_old_audit(path: Path) -> _OldAudit | None:
    """Return None if there is no database, or it can't be read. A damaged database is not touched."""
    if not path.exists():
        return None
    try:
        _checkpoint_log(path)
        address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            db = SqliteConnection.over(connection)
            register = read_register(db)
            waiting = [line for _, line in waiting_lines(db)]
    except (DatabaseDamaged, sqlite3.DatabaseError, ChainBroken):
        return None
    last = f"{register.line_number} {register.line_hash}" if register.anchor else None
    return _OldAudit(register.anchor, last, waiting)


def _log_restore(
    db: Connection,
    vault: SecretBox | None,
    anchor: str,
    before: _OldAudit | None,
    name: str,
    at: datetime,
) -> None:
    """Log the restore in each audit log, and rebuild the register and the anchor's state."""
    restore_triggers(db)
    sealed = db.execute(
        "SELECT EXISTS (SELECT 1 FROM audit_chains WHERE seal IS NOT NULL UNION SELECT 1 FROM audit_register"
        " WHERE seal IS NOT NULL)"
    ).fetchone()[0]
    if sealed and vault is None:
        raise BackupProblem(
            f"the restore is recorded in the audit log, which is sealed in {name}: set BUILDBELL_SECRET_KEY."
        )
    if not anchor and (before.anchor if before is not None else _stored_anchor(db)):
        raise BackupProblem(
            "the restore is recorded in the audit log's anchor: set AUDIT_ANCHOR to the same value as for the bot. To"
            " stop using an anchor, start the bot without AUDIT_ANCHOR first."
        )
    start_missing_chains(db)
    for team in teams_with_chains(db):
        ends = ends_of(db, team) or ChainEnds()
        try:
            verify_chain(db, team, vault if ends.seal is not None else None, None)
        except ChainBroken as problem:
            raise BackupCorrupt(f"the audit log of workspace {team} in {name}: {problem}.") from problem
    if before is not None:
        replace_waiting_lines(db, before.waiting)
    register = rebuild_register(db, vault, anchor)
    if anchor:
        over = before.last_line if before is not None else None
        records = statement(AnchorEvent.RESTORED, register, over)
        change_register(db, vault, RegisterChange(anchor_records=records), at)
    entry = AuditEntry(event=Event.RESTORED, act="restore", personal=PersonalFields(person="operator"))
    for team in teams_with_chains(db):
        append(db, team, vault, entry, at)


def _stored_anchor(db: Connection) -> str:
    try:
        return read_register(db).anchor
    except ChainBroken:
        return ""


def _check_audit(db: SqliteConnection, team: str, name: str) -> None:
    try:
        verify_chain(db, team, None, None)
    except ChainBroken as problem:
        raise BackupCorrupt(
            f"the audit log of workspace {team} in {name} failed its check: {problem}."
        ) from problem


def _rows(db: SqliteConnection) -> dict[str, int]:
    names = [name for name in db.db.table_names() if not name.startswith(("_", "sqlite_"))]
    return {name: db.execute(f"SELECT COUNT(*) FROM [{name}]").fetchone()[0] for name in sorted(names)}


def _merge_log_into_file(db: SqliteConnection) -> None:
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("PRAGMA journal_mode = DELETE")


def _keep_old_database(path: Path, at: datetime) -> Path | None:
    """Keep the old database under a second name and remove its log, which SQLite would apply to the new one.

    The log is written into the database first. That of a damaged database can't be, so it is kept next to it.
    """
    if not path.exists():
        _remove(path)
        return None
    kept = _free_name(path, at)
    with suppress(DatabaseDamaged):
        _checkpoint_log(path)
    for suffix in ("", *_SQLITE_SUFFIXES):
        if (file := path.with_name(path.name + suffix)).exists():
            with suppress(OSError):  # on a file system without modes
                file.chmod(FILE_MODE)
            _link_or_copy(file, kept.with_name(kept.name + suffix))
    _sync_folder(path)
    for suffix in _SQLITE_SUFFIXES:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    _sync_folder(path)
    return kept


def _checkpoint_log(path: Path) -> None:
    with suppress(DatabaseNewer):
        check(path)
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.DatabaseError as error:
        raise DatabaseDamaged(str(error)) from error
    if busy:
        raise DatabaseInUse(f"{path} is open in another program. Stop that program first.")


def _free_name(path: Path, at: datetime) -> Path:
    stem = f"{path.name}.before-restore-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    names = (path.with_name(stem if number == 1 else f"{stem}-{number}") for number in range(1, 10_000))
    return next(name for name in names if not name.exists())


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)
        _sync(target)


def _replace_file(copy: Path, target: Path) -> None:
    """Sync a complete file to disk, then rename it over the target."""
    if target.exists() and os.geteuid() == 0:
        # If an operator runs this as root, the file must still belong to the bot's user.
        owner = target.stat()
        os.chown(copy, owner.st_uid, owner.st_gid)
    _sync(copy)
    copy.replace(target)
    _sync_folder(target)


def _remove(path: Path) -> None:
    for suffix in ("", *_SQLITE_SUFFIXES):
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).unlink()


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
