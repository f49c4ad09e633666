"""The SQLite database and the single thread that accesses it."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar

import sqlite_utils

from storage.database_thread import DatabaseThread
from storage.migrations import known_migrations, migrations
from storage.private_files import FILE_MODE, give_to_owner, make_file, make_folder, restrict_modes
from storage.secure_deletion import empty_log, is_marked, mark_for_rewriting, rewrite_file, rewrite_tables

T = TypeVar("T")
Work = Callable[[sqlite_utils.Database], T]

BUSY_SECONDS = 60
# While others read, the write-ahead log can't be emptied: the bot retries at this interval and logs a warning at the
# first and every 60th retry; a command gives up after MAX_TRIES.
EMPTY_LOG_SECONDS = 5.0
TRIES_TO_SAY = 60
MAX_TRIES = 10

log = logging.getLogger(__name__)


class DatabaseProblem(Exception):
    """The database can't be used."""


class DatabaseDamaged(DatabaseProblem):
    """The file is damaged or no SQLite database; it was not changed."""


class DatabaseNewer(DatabaseProblem):
    """The file was written by a newer Buildbell; it was not changed."""


class DatabaseOlder(DatabaseProblem):
    """The file was written by an older Buildbell; the bot has to migrate it first."""


class DatabaseMissing(DatabaseProblem):
    """There is no database at this path."""


class DatabaseNotWritable(DatabaseProblem):
    """The file or its folder is not writable."""


class DatabaseInUse(DatabaseProblem):
    """Another Buildbell has the file open."""


class WorkspaceGone(Exception):
    """The workspace has taken the app out, so nothing is kept of it any more."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Database:
    """An open database: WAL, `synchronous=FULL`, explicit transactions, all on a dedicated thread.

    One thread, because connections that threads share lose writes silently, and because the event loop must never
    wait for the disk.
    """

    def __init__(self, path: Path, thread: DatabaseThread, lock: FileLock, db: sqlite_utils.Database) -> None:
        self.path = path
        self._thread = thread
        self._lock = lock
        self._db = db
        self._removed: set[str] = set()
        self._emptying_task: asyncio.Task[None] | None = None
        self._prepare: Callable[[sqlite_utils.Database, str], bool] | None = None
        self._prepared: set[str] = set()

    @classmethod
    async def open(cls, path: str | Path) -> Self:
        """Open the file, create it if necessary, and migrate its schema.

        Raises DatabaseDamaged, DatabaseNewer, DatabaseInUse or DatabaseNotWritable, each with what to do. The file is
        then unchanged, except for migrations that were applied before the disk was full.
        """
        database = await cls._on_own_thread(Path(path), _open)
        # A killed process may not have emptied the log.
        await database._empty_log()
        return database

    @classmethod
    async def open_shared(cls, path: str | Path) -> Self:
        """Open the file for a short command, while a bot may have it open, too.

        It must exist and have exactly this version's schema; nothing is migrated. Raises DatabaseMissing,
        DatabaseDamaged, DatabaseNewer, DatabaseOlder or DatabaseInUse, each with what to do.
        """
        return await cls._on_own_thread(Path(path), _open_shared)

    @classmethod
    async def _on_own_thread(
        cls, path: Path, open_: Callable[[Path], tuple[FileLock, sqlite_utils.Database]]
    ) -> Self:
        thread = DatabaseThread()
        try:
            lock, db = await thread.run(open_, path)
        except BaseException:
            thread.close()
            raise
        return cls(path, thread, lock, db)

    def read(self, work: Work[T]) -> Awaitable[T]:
        """Run `work` on the database's thread, without a transaction of its own."""
        return self._thread.run(work, self._db)

    def write(self, work: Work[T]) -> Awaitable[T]:
        """Run `work` in one transaction: all of it is on the disk when this is done, or none of it."""
        return self._thread.run(in_transaction, self._db, work)

    async def erase(self, work: Work[T], *, tables: Sequence[str] = ()) -> T:
        """Run `work` in one transaction, and erase from the files what it deleted from these tables.

        While another process reads, the write-ahead log is emptied later.
        """

        def work_and_rewrite(db: sqlite_utils.Database) -> T:
            result = work(db)
            rewrite_tables(db, tables)
            return result

        result = await self.write(work_and_rewrite)
        await self._empty_log()
        return result

    async def _empty_log(self) -> None:
        if not await self.read(empty_log) and self._emptying_task is None:
            self._emptying_task = asyncio.create_task(
                self._empty_log_later(), name="emptying the database's log"
            )

    async def _empty_log_later(self) -> None:
        tries = 1
        while not await self.read(empty_log):
            if tries % TRIES_TO_SAY == 1:
                log.warning("database.log_not_emptied: somebody is reading the database; it is tried again")
            tries += 1
            await asyncio.sleep(EMPTY_LOG_SECONDS)
        self._emptying_task = None

    async def rewrite(self) -> bool:
        """Rewrite the whole file, so that no trace of deleted data remains.

        Returns whether the write-ahead log could be emptied as well, after up to MAX_TRIES tries. Raises
        sqlite3.OperationalError if the disk is full.
        """
        await self.read(rewrite_file)
        for _ in range(MAX_TRIES):
            if await self.read(empty_log):
                return True
        return False

    async def rewrite_if_marked(self) -> bool:
        """Rewrite the file if deleted data must leave no trace in it. Returns whether it was rewritten."""
        marked = await self.read(is_marked)
        if marked:
            await self.rewrite()
        return marked

    def of(self, team: str) -> WorkspaceDatabase:
        """Return the database for one workspace."""
        return WorkspaceDatabase(self, team)

    def mark_removed(self, team: str) -> None:
        """Note that the workspace is being wiped; for use inside that transaction.

        Requests and jobs that are still running for it can't write any more.
        """
        self._removed.add(team)
        self._prepared.discard(team)

    def before_each_write(self, prepare: Callable[[sqlite_utils.Database, str], bool]) -> None:
        """Run `prepare` first in each transaction of a workspace, until it returns True."""
        self._prepare = prepare

    def prepare(self, db: sqlite_utils.Database, team: str) -> None:
        """Prepare the workspace before a write; for use inside a transaction."""
        if self._prepare is not None and team not in self._prepared and self._prepare(db, team):
            self._prepared.add(team)

    def mark_present(self, team: str) -> None:
        """Note that the workspace has sent a request, so the app is installed again."""
        self._removed.discard(team)

    def is_removed(self, team: str) -> bool:
        """Return whether the workspace was wiped and has sent no request since."""
        return team in self._removed

    async def close(self) -> None:
        """Finish queued work and close the file."""
        if self._emptying_task is not None:
            self._emptying_task.cancel()
            await asyncio.gather(self._emptying_task, return_exceptions=True)
        await self._thread.run(self._db.close)
        self._thread.close()
        self._lock.close()


class WorkspaceDatabase:
    """Reads and writes for one workspace, as long as the app is installed there."""

    def __init__(self, database: Database, team: str) -> None:
        self._database = database
        self._team = team

    def read(self, work: Work[T]) -> Awaitable[T]:
        """Run `work` on the database's thread, without a transaction of its own."""
        return self._database.read(work)

    def write(self, work: Work[T]) -> Awaitable[T]:
        """Run `work` in one transaction. Raises WorkspaceGone."""
        return self._database.write(self._check_presence(work))

    def erase(self, work: Work[T], *, tables: Sequence[str]) -> Awaitable[T]:
        """Run `work` in one transaction, and erase from the files what it deleted. Raises WorkspaceGone."""
        return self._database.erase(self._check_presence(work), tables=tables)

    def _check_presence(self, work: Work[T]) -> Work[T]:
        def checked_work(db: sqlite_utils.Database) -> T:
            if self._database.is_removed(self._team):
                raise WorkspaceGone
            self._database.prepare(db, self._team)
            return work(db)

        return checked_work


def check(path: Path) -> set[str]:
    """Check an existing file without changing it. Returns its applied migrations.

    Raises DatabaseDamaged or DatabaseNewer.
    """
    if not path.exists() or path.stat().st_size == 0:
        return set()
    try:
        tables, applied = _read_schema(path)
    except sqlite3.DatabaseError as error:
        raise DatabaseDamaged(_damage_text(path, str(error))) from error
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


def _read_schema(path: Path) -> tuple[set[str], set[str]]:
    """Return the file's tables and applied migrations. Raises sqlite3.DatabaseError for a damaged file."""
    try:
        return _read_schema_in_mode(path, "ro")
    except sqlite3.OperationalError as error:
        if not error.sqlite_errorname.startswith("SQLITE_READONLY"):
            raise
        # A killed process has left a log that must be recovered first, which needs write access (sqlite.org,
        # "Write-Ahead Logging", "Read-Only Databases"). Any opening does that, so it is not a change.
        return _read_schema_in_mode(path, "rw")


def _read_schema_in_mode(path: Path, mode: str) -> tuple[set[str], set[str]]:
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


def _damage_text(path: Path, verdict: str) -> str:
    verdict = " ".join(verdict.split())
    return f"{path} is damaged ({verdict}). It was left as it is: restore a backup, or move it away to start anew."


class FileLock:
    """A lock on a file next to the database. SQLite's locks don't show which process uses the database."""

    def __init__(self, path: Path, suffix: str, *, shared: bool, refusal: str) -> None:
        """Take the lock. Raises DatabaseInUse with the text `refusal`."""
        flags = os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC
        self._file = os.open(path.with_name(path.name + suffix), flags, FILE_MODE)
        give_to_owner(self._file, path)
        try:
            fcntl.flock(self._file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise DatabaseInUse(refusal) from error

    def close(self) -> None:
        """Release the lock."""
        os.close(self._file)


def lock_exclusive(path: Path) -> FileLock:
    """Lock the database as a running bot does. Raises DatabaseInUse."""
    # Two bots on one file would send every notification twice, and migrations take no lock themselves.
    refusal = f"{path} is in use by another Buildbell. Stop that one, or set DATABASE_URL to another file."
    return FileLock(path, ".lock", shared=False, refusal=refusal)


def lock_shared(path: Path) -> FileLock:
    """Prevent a restore; several processes may hold this lock. Raises DatabaseInUse."""
    refusal = f"{path} is just being restored. Wait until that has ended."
    return FileLock(path, ".beside", shared=True, refusal=refusal)


def lock_commands_out(path: Path) -> FileLock:
    """Lock out all commands that open the database next to the bot. Raises DatabaseInUse."""
    refusal = f"{path} is in use by another command of Buildbell. Wait until that has ended."
    return FileLock(path, ".beside", shared=False, refusal=refusal)


def bring_up_to_date(path: Path) -> sqlite_utils.Database:
    """Open a file that was checked and locked before, and migrate it to this version's schema."""
    db = sqlite_utils.Database(path, execute_plugins=False)
    db.enable_wal()
    secure_delete = db.execute("PRAGMA secure_delete").fetchone()[0] == 1
    _configure(db)
    existed = bool(db.table_names())
    pending = [step.name for step in migrations.pending(db)]
    must_rewrite = existed and "m011_audit_register" in pending and not secure_delete
    if must_rewrite:
        # Data that older versions deleted is still in the file. It stays marked if the disk is full now, or the bot
        # is killed.
        mark_for_rewriting(db)
    migrations.apply(db)
    if must_rewrite:
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


def _open_shared(path: Path) -> tuple[FileLock, sqlite_utils.Database]:
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
        _configure(db)
    except BaseException:
        lock.close()
        raise
    return lock, db


def _configure(db: sqlite_utils.Database) -> None:
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    # The default depends on how SQLite was built.
    db.execute("PRAGMA secure_delete = ON")
    # A command may write for a while; neither it nor the bot must fail because of the other.
    db.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")


def in_transaction(db: sqlite_utils.Database, work: Work[T]) -> T:
    """Run `work` in one transaction: all of it is on the disk when this returns, or none of it."""
    # sqlite-utils' atomic() starts deferred transactions; IMMEDIATE takes the write lock before anything is read.
    db.execute("BEGIN IMMEDIATE")
    try:
        result = work(db)
    except BaseException:
        db.rollback()
        raise
    db.commit()
    return result
