"""The SQLite database and the single thread that accesses it."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar, cast

import sqlite_utils

from storage.connection import CommitCallbacks, Connection, Cursor, Parameters
from storage.database import (
    Database,
    DatabaseDamaged,
    DatabaseInUse,
    DatabaseMissing,
    DatabaseNewer,
    DatabaseNotWritable,
    DatabaseOlder,
    Work,
    run_callbacks,
)
from storage.database_thread import DatabaseThread
from storage.migrations import audit_triggers, known_migrations, migrations
from storage.private_files import FILE_MODE, give_to_owner, make_file, make_folder, restrict_modes
from storage.secure_deletion import empty_log, is_marked, mark_for_rewriting, rewrite_file, rewrite_tables
from storage.session_locks import LocalSessionLocks

T = TypeVar("T")

BUSY_SECONDS = 60
# While others read, the write-ahead log can't be emptied: the bot retries at this interval and logs a warning at the
# first and every 60th retry; a command gives up after MAX_TRIES.
EMPTY_LOG_SECONDS = 5.0
TRIES_TO_SAY = 60
MAX_TRIES = 10

log = logging.getLogger(__name__)


class SqliteConnection(CommitCallbacks):
    """The connection to the file. Each statement's SQL is SQLite's own."""

    def __init__(self, db: sqlite_utils.Database) -> None:
        super().__init__()
        self.db = db
        self.worker = ""

    @classmethod
    def over(cls, connection: sqlite3.Connection) -> Self:
        """Use an open connection."""
        return cls(sqlite_utils.Database(connection, execute_plugins=False))

    def close(self) -> None:
        """Close the connection."""
        self.db.close()

    def execute(self, statement: str, parameters: Parameters = ()) -> Cursor:
        """Run a statement."""
        return self.db.execute(statement, cast("Sequence[Any] | dict[str, Any]", parameters))

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run a statement once for each row of parameters. Returns how many rows of the table that has changed."""
        return self.db.conn.executemany(statement, rows).rowcount

    def lock(self, *name: str, shared: bool = False) -> None:
        """Do nothing: transactions take SQLite's only write lock when they begin."""

    def batch(self) -> AbstractContextManager[object]:
        """Do nothing: there is no server."""
        return nullcontext()

    def now(self) -> datetime:
        """Return the time by the machine's clock."""
        return datetime.now(UTC)

    def live_workers(self) -> set[str]:
        """Return this process: it is the only one."""
        return {self.worker}

    def primary_key(self, table: str) -> list[str]:
        """Return the columns of the table's primary key, in its order."""
        return self.db.table(table).pks

    def audit_triggers(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the triggers of the audit log's tables by name: as they are, and as this version creates them."""
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'audit%'"
        actual = {name: " ".join(sql.split()) for name, sql in self.execute(query)}
        return actual, {name: " ".join(sql.split()) for name, sql in audit_triggers().items()}

    def mark_for_rewriting(self) -> None:
        """Mark the file to be rewritten later."""
        mark_for_rewriting(self.db)


class SqliteDatabase(Database):
    """An open database: WAL, `synchronous=FULL`, explicit transactions, all on a dedicated thread.

    One thread, because connections that threads share lose writes silently, and because the event loop must never
    wait for the disk.
    """

    def __init__(
        self, path: Path, thread: DatabaseThread, lock: FileLock, connection: SqliteConnection
    ) -> None:
        super().__init__(LocalSessionLocks())
        connection.worker = self.session_locks.worker
        self.path = path
        self._thread = thread
        self._lock = lock
        self._connection = connection
        self._emptying_task: asyncio.Task[None] | None = None

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
        cls, path: Path, open_: Callable[[Path], tuple[FileLock, SqliteConnection]]
    ) -> Self:
        thread = DatabaseThread()
        try:
            lock, connection = await thread.run(open_, path)
        except BaseException:
            thread.close()
            raise
        return cls(path, thread, lock, connection)

    def read(self, work: Work[T]) -> Awaitable[T]:
        """Run `work` on the database's thread, without a transaction of its own."""
        return self._thread.run(work, self._connection)

    def write(self, work: Work[T]) -> Awaitable[T]:
        """Run `work` in one transaction: all of it is on the disk when this is done, or none of it."""
        return self._thread.run(self._transact, work, asyncio.get_running_loop())

    def _transact(self, work: Work[T], loop: asyncio.AbstractEventLoop) -> T:
        self._connection.on_wake, self._connection.on_notify = self._on_wake, self.deliver
        self._connection.take_callbacks()  # of a transaction that was rolled back
        result = in_transaction(self._connection, work)
        run_callbacks(loop, self._connection.take_callbacks())
        return result

    async def erase(self, work: Work[T], *, tables: Sequence[str] = ()) -> T:
        """Run `work` in one transaction, and erase from the files what it deleted from these tables.

        While another process reads, the write-ahead log is emptied later.
        """

        def work_and_rewrite(connection: Connection) -> T:
            result = work(connection)
            rewrite_tables(self._connection.db, tables)
            return result

        result = await self.write(work_and_rewrite)
        await self._empty_log()
        return result

    async def run_sqlite(self, work: Callable[[sqlite_utils.Database], T]) -> T:
        """Run work that only SQLite knows on the database's thread, without a transaction."""
        return await self._thread.run(work, self._connection.db)

    async def _empty_log(self) -> None:
        if not await self.run_sqlite(empty_log) and self._emptying_task is None:
            self._emptying_task = asyncio.create_task(
                self._empty_log_later(), name="emptying the database's log"
            )

    async def _empty_log_later(self) -> None:
        tries = 1
        while not await self.run_sqlite(empty_log):
            if tries % TRIES_TO_SAY == 1:
                log.warning(
                    "database.log_not_emptied: another program is reading the database; trying again later"
                )
            tries += 1
            await asyncio.sleep(EMPTY_LOG_SECONDS)
        self._emptying_task = None

    async def rewrite(self) -> bool:
        """Rewrite the whole file, so that no trace of deleted data remains.

        Returns whether the write-ahead log could be emptied as well, after up to MAX_TRIES tries. Raises
        sqlite3.OperationalError if the disk is full.
        """
        await self.run_sqlite(rewrite_file)
        for _ in range(MAX_TRIES):
            if await self.run_sqlite(empty_log):
                return True
        return False

    async def rewrite_if_marked(self) -> bool:
        """Rewrite the file if deleted data must leave no trace in it. Returns whether it was rewritten."""
        marked = await self.run_sqlite(is_marked)
        if marked:
            await self.rewrite()
        return marked

    async def close(self) -> None:
        """Finish queued work and close the file."""
        if self._emptying_task is not None:
            self._emptying_task.cancel()
            await asyncio.gather(self._emptying_task, return_exceptions=True)
        await self._thread.run(self._connection.close)
        self._thread.close()
        self._lock.close()


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
            f"{path} was written by a newer Buildbell (it has {', '.join(sorted(newer))})."
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
    return (
        f"{path} is damaged ({verdict}). It was not changed: restore a backup, or move it away to start over."
    )


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
    refusal = f"{path} is in use by another Buildbell. Stop it, or set DATABASE_URL to another file."
    return FileLock(path, ".lock", shared=False, refusal=refusal)


def lock_shared(path: Path) -> FileLock:
    """Prevent a restore; several processes may hold this lock. Raises DatabaseInUse."""
    refusal = f"{path} is being restored. Wait until that has finished."
    return FileLock(path, ".beside", shared=True, refusal=refusal)


def lock_commands_out(path: Path) -> FileLock:
    """Lock out all commands that open the database next to the bot. Raises DatabaseInUse."""
    refusal = f"{path} is in use by another Buildbell command. Wait until that has finished."
    return FileLock(path, ".beside", shared=False, refusal=refusal)


def bring_up_to_date(path: Path) -> SqliteConnection:
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
    return SqliteConnection(db)


def _open(path: Path) -> tuple[FileLock, SqliteConnection]:
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
            f"DATABASE_URL: {path} can't be written ({reason}). Its folder must exist, have free space, and belong to"
            " the user that runs the bot."
        ) from problem


def _open_shared(path: Path) -> tuple[FileLock, SqliteConnection]:
    if not path.exists() or path.stat().st_size == 0:
        raise DatabaseMissing(f"there is no database at {path}. Set DATABASE_URL to the bot's own file.")
    lock = lock_shared(path)
    try:
        if older := known_migrations() - check(path):
            raise DatabaseOlder(
                f"{path} was written by an older Buildbell (it lacks {', '.join(sorted(older))})."
                " Start the bot of this version once, which brings it up to date."
            )
        connection = SqliteConnection.over(sqlite3.connect(f"{path.resolve().as_uri()}?mode=rw", uri=True))
        _configure(connection.db)
    except BaseException:
        lock.close()
        raise
    return lock, connection


def _configure(db: sqlite_utils.Database) -> None:
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA foreign_keys = ON")
    # The default depends on how SQLite was built.
    db.execute("PRAGMA secure_delete = ON")
    # A command may write for a while; neither it nor the bot must fail because of the other.
    db.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")


def in_transaction(connection: SqliteConnection, work: Work[T]) -> T:
    """Run `work` in one transaction: all of it is on the disk when this returns, or none of it."""
    # sqlite-utils' atomic() starts deferred transactions; IMMEDIATE takes the write lock before anything is read.
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = work(connection)
    except BaseException:
        connection.db.rollback()
        raise
    connection.db.commit()
    return result
