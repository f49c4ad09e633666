"""One SQLite file and the one thread that touches it."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

import sqlite_utils

from storage.migrations import known_migrations, migrations
from storage.private_files import FILE_MODE, give_to_owner, make_file, make_folder, restrict_modes
from storage.secure_deletion import empty_log, is_marked, mark_for_rewriting, rewrite_file, rewrite_tables

T = TypeVar("T")
Work = Callable[[sqlite_utils.Database], T]

BUSY_SECONDS = 60
# How often emptying the write-ahead log is tried while others read: later, and before a command gives up.
EMPTY_LOG_SECONDS = 5.0
TRIES_TO_SAY = 60
MOST_TRIES = 10

log = logging.getLogger(__name__)


class DatabaseProblem(Exception):
    """The database can't be used."""


class DatabaseDamaged(DatabaseProblem):
    """The file is damaged or no SQLite database; it was left as it is."""


class DatabaseNewer(DatabaseProblem):
    """The file was written by a newer Buildbell; it was left as it is."""


class DatabaseOlder(DatabaseProblem):
    """The file was written by an older Buildbell, and is to be brought up to date by the bot first."""


class DatabaseMissing(DatabaseProblem):
    """There is no database at this path."""


class DatabaseNotWritable(DatabaseProblem):
    """The file, or its folder, can't be written to."""


class DatabaseInUse(DatabaseProblem):
    """Another Buildbell has the file open."""


class WorkspaceGone(Exception):
    """The workspace has taken the app out, so nothing is kept of it any more."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Database:
    """An open database: WAL, `synchronous=FULL`, explicit transactions, all on one thread of its own.

    One thread because connections shared by threads lose writes silently, and because the event loop must never
    wait for a disk.
    """

    def __init__(
        self, path: Path, thread: ThreadPoolExecutor, lock: FileLock, db: sqlite_utils.Database
    ) -> None:
        self.path = path
        self._thread = thread
        self._lock = lock
        self._db = db
        self._gone: set[str] = set()
        self._emptying: asyncio.Task[None] | None = None
        self._prepare: Callable[[sqlite_utils.Database, str], bool] | None = None
        self._prepared: set[str] = set()

    @classmethod
    async def open(cls, path: str | Path) -> Self:
        """Open the file, made where it is missing, and bring its schema up to date.

        Raises DatabaseDamaged, DatabaseNewer, DatabaseInUse or DatabaseNotWritable, each with what to do; the file is
        then unchanged, but for steps of the schema before one for which there was no room.
        """
        database = await cls._on_its_thread(Path(path), _open)
        # One that was killed may not have come to it.
        await database._empty_log()
        return database

    @classmethod
    async def open_shared(cls, path: str | Path) -> Self:
        """Open the file beside a bot that may have it open, for a command that reads or writes a little.

        It must be there and have exactly this version's schema; nothing is migrated. Raises DatabaseMissing,
        DatabaseDamaged, DatabaseNewer, DatabaseOlder or DatabaseInUse, each with what to do.
        """
        return await cls._on_its_thread(Path(path), _open_beside)

    @classmethod
    async def _on_its_thread(
        cls, path: Path, open_: Callable[[Path], tuple[FileLock, sqlite_utils.Database]]
    ) -> Self:
        thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        try:
            lock, db = await asyncio.get_running_loop().run_in_executor(thread, open_, path)
        except BaseException:
            thread.shutdown()
            raise
        return cls(path, thread, lock, db)

    async def read(self, work: Work[T]) -> T:
        """Run `work` on the database's thread, without a transaction of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._db)

    async def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction: all of it is on the disk when this returns, or none of it."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, in_transaction, self._db, work)

    async def erase(self, work: Work[T], *, tables: Sequence[str] = ()) -> T:
        """Run `work` in one transaction, and leave nothing in the files of what it took out of these tables.

        Where somebody is just reading, the last of it goes from the write-ahead log once they have done.
        """

        def and_rewrite(db: sqlite_utils.Database) -> T:
            result = work(db)
            rewrite_tables(db, tables)
            return result

        result = await self.write(and_rewrite)
        await self._empty_log()
        return result

    async def _empty_log(self) -> None:
        if not await self.read(empty_log) and self._emptying is None:
            self._emptying = asyncio.create_task(self._empty_log_later(), name="emptying the database's log")

    async def _empty_log_later(self) -> None:
        tries = 1
        while not await self.read(empty_log):
            if tries % TRIES_TO_SAY == 1:
                log.warning("database.log_not_emptied: somebody is reading the database; it is tried again")
            tries += 1
            await asyncio.sleep(EMPTY_LOG_SECONDS)
        self._emptying = None

    async def rewrite(self) -> bool:
        """Write the whole file anew, so that nothing stays in it of what was deleted.

        Returns whether the write-ahead log could be emptied as well, after some tries. Raises
        sqlite3.OperationalError where there is no room.
        """
        await self.read(rewrite_file)
        for _ in range(MOST_TRIES):
            if await self.read(empty_log):
                return True
        return False

    async def rewrite_if_marked(self) -> bool:
        """Write the whole file anew if something was deleted that must leave no trace; returns whether it was."""
        marked = await self.read(is_marked)
        if marked:
            await self.rewrite()
        return marked

    def of(self, team: str) -> WorkspaceDatabase:
        """The database as what writes for one workspace sees it."""
        return WorkspaceDatabase(self, team)

    def mark_removed(self, team: str) -> None:
        """The workspace was wiped; for use inside the transaction that does it.

        Whoever began something for it before, and is not done yet, writes nothing any more.
        """
        self._gone.add(team)
        self._prepared.discard(team)

    def before_each_write(self, prepare: Callable[[sqlite_utils.Database, str], bool]) -> None:
        """Let `prepare` run first in each transaction of a workspace, until it says that nothing is left to prepare."""
        self._prepare = prepare

    def prepare(self, db: sqlite_utils.Database, team: str) -> None:
        """Make sure that the workspace's writes may begin; for use inside a transaction."""
        if self._prepare is not None and team not in self._prepared and self._prepare(db, team):
            self._prepared.add(team)

    def mark_present(self, team: str) -> None:
        """Somebody of the workspace has just asked for something, so the app is there again."""
        self._gone.discard(team)

    def is_removed(self, team: str) -> bool:
        """Whether the workspace was wiped, and nobody of it has asked for anything since."""
        return team in self._gone

    async def close(self) -> None:
        """Finish what is queued and close the file."""
        if self._emptying is not None:
            self._emptying.cancel()
            await asyncio.gather(self._emptying, return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(self._thread, self._db.close)
        self._thread.shutdown()
        self._lock.close()


class WorkspaceDatabase:
    """Reads and writes for one workspace, for as long as the app is in it."""

    def __init__(self, whole: Database, team: str) -> None:
        self._whole = whole
        self._team = team

    async def read(self, work: Work[T]) -> T:
        """Run `work` on the database's thread, without a transaction of its own."""
        return await self._whole.read(work)

    async def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction. Raises WorkspaceGone."""
        return await self._whole.write(self._if_there(work))

    async def erase(self, work: Work[T], *, tables: Sequence[str]) -> T:
        """Run `work` in one transaction, and leave nothing in the files of what it took away. Raises WorkspaceGone."""
        return await self._whole.erase(self._if_there(work), tables=tables)

    def _if_there(self, work: Work[T]) -> Work[T]:
        def if_there(db: sqlite_utils.Database) -> T:
            if self._whole.is_removed(self._team):
                raise WorkspaceGone
            self._whole.prepare(db, self._team)
            return work(db)

        return if_there


def check(path: Path) -> set[str]:
    """Look at an existing file without changing it; returns the steps of the schema that it has.

    Raises DatabaseDamaged or DatabaseNewer.
    """
    if not path.exists() or path.stat().st_size == 0:
        return set()
    try:
        tables, applied = _look_into(path)
    except sqlite3.DatabaseError as error:
        raise DatabaseDamaged(_damaged(path, str(error))) from error
    if "_sqlite_migrations" not in tables:
        if tables:
            raise DatabaseDamaged(
                f"{path} is another program's database. Set DATABASE_URL to a file of Buildbell's own."
            )
        return set()
    if newer := applied - known_migrations():
        raise DatabaseNewer(
            f"{path} was written by a newer Buildbell (it knows {', '.join(sorted(newer))})."
            " Start that version again, or restore the backup made before the update."
        )
    return applied


def _look_into(path: Path) -> tuple[set[str], set[str]]:
    """The file's tables, and the steps of our schema that it has. Raises sqlite3.DatabaseError for a damaged one."""
    try:
        return _look_as(path, "ro")
    except sqlite3.OperationalError as error:
        if not error.sqlite_errorname.startswith("SQLITE_READONLY"):
            raise
        # A process that was killed has left a log that must be recovered first, which a mere reader may not do
        # (sqlite.org, "Write-Ahead Logging", "Read-Only Databases"). It is what any opening does, and no change.
        return _look_as(path, "rw")


def _look_as(path: Path, mode: str) -> tuple[set[str], set[str]]:
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True)
    try:
        verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        tables = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        }
        if "_sqlite_migrations" not in tables:
            return tables, set()
        query = "SELECT name FROM _sqlite_migrations WHERE migration_set = ?"
        return tables, {name for (name,) in connection.execute(query, [migrations.name])}
    finally:
        connection.close()


def _damaged(path: Path, verdict: str) -> str:
    verdict = " ".join(verdict.split())
    return f"{path} is damaged ({verdict}). It was left as it is: restore a backup, or move it away to start anew."


class FileLock:
    """A lock on a file beside the database's: SQLite's own ones say nothing of who works with it."""

    def __init__(self, path: Path, suffix: str, *, shared: bool, refusal: str) -> None:
        """Raises DatabaseInUse with the refusal."""
        flags = os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(path.with_name(path.name + suffix), flags, FILE_MODE)
        give_to_owner(self._file, path)
        try:
            fcntl.flock(self._file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise DatabaseInUse(refusal) from error

    def close(self) -> None:
        """Let it go."""
        os.close(self._file)


def lock_exclusive(path: Path) -> FileLock:
    """Hold the file as a running bot does. Raises DatabaseInUse."""
    # Two bots on one file would tell everything twice, and migrations know no lock of their own.
    refusal = f"{path} is in use by another Buildbell. Stop that one, or set DATABASE_URL to another file."
    return FileLock(path, ".lock", shared=False, refusal=refusal)


def lock_shared(path: Path) -> FileLock:
    """Keep the file from being put away meanwhile; many may. Raises DatabaseInUse."""
    refusal = f"{path} is just being restored. Wait until that has ended."
    return FileLock(path, ".beside", shared=True, refusal=refusal)


def lock_commands_out(path: Path) -> FileLock:
    """Keep every command from working beside the bot meanwhile. Raises DatabaseInUse."""
    refusal = f"{path} is in use by another command of Buildbell. Wait until that has ended."
    return FileLock(path, ".beside", shared=False, refusal=refusal)


def bring_up_to_date(path: Path) -> sqlite_utils.Database:
    """Open the file, whoever has checked and holds it, and give it this version's schema."""
    db = sqlite_utils.Database(path, execute_plugins=False)
    db.enable_wal()
    overwriting = db.execute("PRAGMA secure_delete").fetchone()[0] == 1
    _set_up(db)
    was_there = bool(db.table_names())
    pending = [step.name for step in migrations.pending(db)]
    overdue = was_there and "m011_audit_register" in pending and not overwriting
    if overdue:
        # What versions before this one have deleted is still in it. Where there is no room now, or the bot is killed
        # meanwhile, it stays marked.
        mark_for_rewriting(db)
    migrations.apply(db)
    if overdue:
        with suppress(sqlite3.OperationalError):
            rewrite_file(db)
    return db


def _open(path: Path) -> tuple[FileLock, sqlite_utils.Database]:
    try:
        make_folder(path)
        lock = lock_exclusive(path)
        try:
            make_file(path)
            check(path)
            restrict_modes(path)
            return lock, bring_up_to_date(path)
        except BaseException:
            lock.close()
            raise
    except (OSError, sqlite3.OperationalError) as problem:
        reason = (problem.strerror if isinstance(problem, OSError) else None) or problem
        raise DatabaseNotWritable(
            f"DATABASE_URL: {path} can't be written ({reason}). Its folder must be there, have room, and belong to"
            " whom the bot runs as."
        ) from problem


def _open_beside(path: Path) -> tuple[FileLock, sqlite_utils.Database]:
    if not path.exists() or path.stat().st_size == 0:
        raise DatabaseMissing(f"there is no database at {path}. Set DATABASE_URL to the bot's own file.")
    lock = lock_shared(path)
    try:
        if older := known_migrations() - check(path):
            raise DatabaseOlder(
                f"{path} was written by an older Buildbell (it lacks {', '.join(sorted(older))})."
                " Start the bot of this version once, which brings it up to date."
            )
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True)
        db = sqlite_utils.Database(connection, execute_plugins=False)
        _set_up(db)
    except BaseException:
        lock.close()
        raise
    return lock, db


def _set_up(db: sqlite_utils.Database) -> None:
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    # Some builds of SQLite have it so from the beginning, some not.
    db.execute("PRAGMA secure_delete = ON")
    # A command beside the bot may write for a while; neither must fail because of the other.
    db.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")


def in_transaction(db: sqlite_utils.Database, work: Work[T]) -> T:
    """Run `work` in one transaction: all of it is on the disk when this returns, or none of it."""
    # sqlite-utils' own atomic() begins deferred; IMMEDIATE takes the write lock before anything is read.
    db.execute("BEGIN IMMEDIATE")
    try:
        result = work(db)
    except BaseException:
        db.rollback()
        raise
    db.commit()
    return result
