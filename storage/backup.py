"""Copies of the database: made while the bot writes, checked, and put back so that no kill leaves half of one.

A restore brings back what was known when the backup was made. What Slack and Bitrise did since, it can't: builds that
were told between the backup and the restore are told again, unless what was owed is forgotten (`storage.watch_reset`).
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

import sqlite_utils

from domain.audit_log import AuditEntry, ChainBroken, Event, PersonalFields
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
from storage.database import (
    BUSY_SECONDS,
    DatabaseDamaged,
    DatabaseInUse,
    DatabaseMissing,
    DatabaseNewer,
    DatabaseProblem,
    bring_up_to_date,
    check,
    in_transaction,
    lock_commands_out,
    lock_exclusive,
    lock_shared,
)
from storage.encryption import SecretBox
from storage.migrations import known_migrations
from storage.private_files import FILE_MODE, make_file, make_folder

# What SQLite keeps beside a database that is open, or was when the power went.
_BESIDE = ("-wal", "-shm", "-journal")


class BackupProblem(Exception):
    """A backup can't be made or taken there; the sentence says what to do."""


class BackupCorrupt(Exception):
    """A copy does not hold together, so it was neither kept nor put in place; the sentence says what is wrong."""


@dataclass(frozen=True)
class BackupResult:
    """A backup that was made and checked: how many rows each table has, its size in bytes, and its SHA-256."""

    path: Path
    rows: Mapping[str, int]
    size: int
    sha256: str


@dataclass(frozen=True)
class RestoreResult:
    """What is in place now; `kept` is where the database lies that was there, `steps` those that brought it up to date.

    `forgotten`: how many notifications are not owed any more.
    """

    rows: Mapping[str, int]
    kept: Path | None = None
    steps: frozenset[str] = field(default_factory=frozenset)
    forgotten: int | None = None


def back_up(path: Path, target: Path, *, overwrite: bool = False) -> BackupResult:
    """Copy the database into a new file that only its owner can read; a bot may write meanwhile.

    The copy is taken at one moment, checked, on the disk, and only then given its name. Raises DatabaseProblem,
    BackupProblem, BackupCorrupt.
    """
    if not path.exists() or path.stat().st_size == 0:
        raise DatabaseMissing(f"there is no database at {path}. Set DATABASE_URL to the bot's own file.")
    _check_target(path, target, overwrite=overwrite)
    lock = lock_shared(path)
    try:
        check(path)
        with _made_beside(target, "backup") as copy:
            _copy_online(path, copy)
            rows, _ = _examine(copy, target.name)
            if not overwrite and target.exists():
                raise BackupProblem(_is_there(target))
            saved = BackupResult(target, rows, copy.stat().st_size, _sha256(copy))
            _put(copy, target)
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
    forget: Callable[[sqlite_utils.Database], int] | None = None,
) -> RestoreResult:
    """Put a backup in the database's place, and keep what was there under a name with the time.

    All of it happens in a copy beside the database: checked, brought up to date, with what is owed forgotten where
    `forget` does so, and with an entry in each audit log that says so, which `vault` seals. `anchor` is the name of
    the audit log's anchor. Then one rename takes it in; a kill before leaves the old one whole, a kill after the new
    one. Raises DatabaseInUse while a bot runs, DatabaseProblem, BackupProblem, BackupCorrupt; then nothing was changed.
    """
    if not backup.is_file():
        raise BackupProblem(f"there is no file {backup}.")
    if path.exists() and backup.samefile(path):
        raise BackupProblem(f"{backup} is the database itself. Name a backup of it.")
    make_folder(path)
    with ExitStack() as held:
        held.callback(lock_exclusive(path).close)
        held.callback(lock_commands_out(path).close)
        _sweep(path)
        copy = held.enter_context(_made_beside(path, "restore"))
        _copy_raw(backup, copy)
        steps = known_migrations() - _examine(copy, backup.name)[1]
        with closing(bring_up_to_date(copy)) as db:
            forgotten = in_transaction(db, forget) if forget is not None else None
            before = _audit_of_before(path)
            in_transaction(db, lambda db: _note_restore(db, vault, anchor, before, backup.name, at))
            _into_one_file(db)
        kept = _keep(path, at)
        _put(copy, path)
        with closing(bring_up_to_date(path)) as db:
            return RestoreResult(_rows(db), kept, frozenset(steps), forgotten)


def _check_target(path: Path, target: Path, *, overwrite: bool) -> None:
    if not target.parent.is_dir():
        raise BackupProblem(f"there is no folder {target.parent}. Make it first.")
    if target.is_dir():
        raise BackupProblem(f"{target} is a folder. Name a file in it.")
    of_the_database = {path.resolve(), *(path.resolve().with_name(path.name + one) for one in _BESIDE)}
    if target.resolve() in of_the_database or (target.exists() and target.samefile(path)):
        raise BackupProblem(f"{target} is the database itself. Name another file.")
    if target.exists() and not overwrite:
        raise BackupProblem(_is_there(target))


def _is_there(target: Path) -> str:
    return f"{target} is there already. Name another file, or say --force."


@contextmanager
def _made_beside(target: Path, what: str) -> Iterator[Path]:
    """A new file in the same folder, gone at the end unless it was given another name."""
    made = target.with_name(f".{target.name}.{what}-{secrets.token_hex(6)}")
    os.close(os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))
    try:
        yield made
    finally:
        _remove(made)


def _sweep(path: Path) -> None:
    """Take away what a restore has left that was killed; nobody else can be at work here."""
    for left in path.parent.glob(f".{path.name}.restore-*"):
        left.unlink(missing_ok=True)


def _copy_online(path: Path, copy: Path) -> None:
    """Copy at one moment, through SQLite: in WAL mode a reader keeps nobody from writing."""
    # Not read-only: a process that was killed may have left a log that must be recovered first.
    with (
        closing(
            sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True, timeout=BUSY_SECONDS)
        ) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        try:
            source.backup(target)
            # One file, which can be carried away and read where nothing may be written beside it; written anew, so
            # that it holds nothing of what was deleted.
            target.execute("PRAGMA journal_mode = DELETE")
            target.execute("VACUUM")
        except sqlite3.DatabaseError as error:
            raise BackupCorrupt(f"{path} can't be copied ({error}).") from error


def _copy_raw(backup: Path, copy: Path) -> None:
    """Copy the file as it is, and the log beside one that was taken without SQLite's help."""
    shutil.copyfile(backup, copy)
    for suffix in ("-wal", "-journal"):
        if (log := backup.with_name(backup.name + suffix)).exists():
            beside = copy.with_name(copy.name + suffix)
            make_file(beside)
            shutil.copyfile(log, beside)


def _examine(copy: Path, name: str) -> tuple[dict[str, int], set[str]]:
    """Check a copy through and through; returns how many rows its tables have, and the steps of its schema.

    `name` is what the copy stands for. Raises BackupCorrupt, DatabaseProblem.
    """
    try:
        applied = check(copy)
    except DatabaseDamaged as error:
        # Its cure is one for the bot's own file.
        raise BackupCorrupt(str(error).replace(str(copy), name).split(". ")[0].rstrip(".") + ".") from error
    except DatabaseProblem as error:
        raise type(error)(str(error).replace(str(copy), name)) from error
    if not applied:
        raise BackupCorrupt(f"{name} is no database of Buildbell's.")
    with closing(sqlite3.connect(copy)) as connection:
        db = sqlite_utils.Database(connection, execute_plugins=False)
        try:
            found = str(connection.execute("PRAGMA integrity_check(1)").fetchone()[0])
            if found != "ok":
                raise BackupCorrupt(f"{name} is damaged ({' '.join(found.split())}).")
            if astray := connection.execute("PRAGMA foreign_key_check").fetchone():
                raise BackupCorrupt(f"{name} is damaged (a row of {astray[0]} points at nothing).")
            for team in teams_with_chains(db) if "audit_chains" in db.table_names() else ():
                _check_audit(db, team, name)
            return _rows(db), applied
        except sqlite3.DatabaseError as error:
            raise BackupCorrupt(f"{name} is damaged ({error}).") from error


@dataclass(frozen=True)
class _AuditOfBefore:
    """What the database that is put away still owes to the audit log's anchor, and which line it made last."""

    anchor: str
    last_line: str | None
    waiting: list[str]


def _audit_of_before(path: Path) -> _AuditOfBefore | None:
    """None where there is no database, or none that can be read. A damaged one is not touched."""
    if not path.exists():
        return None
    try:
        _take_in_the_log(path)
        address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            db = sqlite_utils.Database(connection, execute_plugins=False)
            register = read_register(db)
            waiting = [line for _, line in waiting_lines(db)]
    except (DatabaseDamaged, sqlite3.DatabaseError, ChainBroken):
        return None
    last = f"{register.line_number} {register.line_hash}" if register.anchor else None
    return _AuditOfBefore(register.anchor, last, waiting)


def _note_restore(
    db: sqlite_utils.Database,
    vault: SecretBox | None,
    anchor: str,
    before: _AuditOfBefore | None,
    name: str,
    at: datetime,
) -> None:
    """Write down in each audit log that it was restored, and let the register and the anchor begin from there."""
    restore_triggers(db)
    sealed = db.execute(
        "SELECT EXISTS (SELECT 1 FROM audit_chains WHERE seal IS NOT NULL UNION SELECT 1 FROM audit_register"
        " WHERE seal IS NOT NULL)"
    ).fetchone()[0]
    if sealed and vault is None:
        raise BackupProblem(
            f"the restore is written down in the audit log, which is sealed in {name}: set BUILDBELL_SECRET_KEY."
        )
    if not anchor and (before.anchor if before is not None else _anchor_in(db)):
        raise BackupProblem(
            "the restore is told to the audit log's anchor: set AUDIT_ANCHOR as the bot has it. To be without one,"
            " start the bot without it first."
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
        said = statement(AnchorEvent.RESTORED, register, over)
        change_register(db, vault, RegisterChange(happenings=said), at)
    entry = AuditEntry(event=Event.RESTORED, act="restore", personal=PersonalFields(person="operator"))
    for team in teams_with_chains(db):
        append(db, team, vault, entry, at)


def _anchor_in(db: sqlite_utils.Database) -> str:
    try:
        return read_register(db).anchor
    except ChainBroken:
        return ""


def _check_audit(db: sqlite_utils.Database, team: str, name: str) -> None:
    try:
        verify_chain(db, team, None, None)
    except ChainBroken as problem:
        raise BackupCorrupt(
            f"the audit log of workspace {team} in {name} does not hold: {problem}."
        ) from problem


def _rows(db: sqlite_utils.Database) -> dict[str, int]:
    names = [name for name in db.table_names() if not name.startswith(("_", "sqlite_"))]
    return {name: db.execute(f"SELECT COUNT(*) FROM [{name}]").fetchone()[0] for name in sorted(names)}


def _into_one_file(db: sqlite_utils.Database) -> None:
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.execute("PRAGMA journal_mode = DELETE")


def _keep(path: Path, at: datetime) -> Path | None:
    """Give what is there a second name, and take its log away, which SQLite would play into the new one.

    The log's content is in the database before it goes; that of a damaged one, which can't take it in, lies beside it.
    """
    if not path.exists():
        _remove(path)
        return None
    kept = _free_name(path, at)
    with suppress(DatabaseDamaged):
        _take_in_the_log(path)
    for suffix in ("", *_BESIDE):
        if (one := path.with_name(path.name + suffix)).exists():
            with suppress(OSError):  # on a file system without modes
                one.chmod(FILE_MODE)
            _second_name(one, kept.with_name(kept.name + suffix))
    _sync_folder(path)
    for suffix in _BESIDE:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    _sync_folder(path)
    return kept


def _take_in_the_log(path: Path) -> None:
    with suppress(DatabaseNewer):
        check(path)
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.DatabaseError as error:
        raise DatabaseDamaged(str(error)) from error
    if busy:
        raise DatabaseInUse(f"{path} is open in another program. End that one first.")


def _free_name(path: Path, at: datetime) -> Path:
    stem = f"{path.name}.before-restore-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    names = (path.with_name(stem if number == 1 else f"{stem}-{number}") for number in range(1, 10_000))
    return next(name for name in names if not name.exists())


def _second_name(one: Path, other: Path) -> None:
    try:
        os.link(one, other)
    except OSError:  # a file system without such links
        shutil.copy2(one, other)
        _sync(other)


def _put(copy: Path, target: Path) -> None:
    """Give a whole file its name, in the place of another one; it is on the disk before it has it."""
    if target.exists() and os.geteuid() == 0:
        # An operator's root must not take the file away from the user whom the bot runs as.
        there = target.stat()
        os.chown(copy, there.st_uid, there.st_gid)
    _sync(copy)
    copy.replace(target)
    _sync_folder(target)


def _remove(path: Path) -> None:
    for suffix in ("", *_BESIDE):
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
