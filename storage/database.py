"""One SQLite file and the one thread that touches it."""

from __future__ import annotations

import asyncio
import fcntl
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Self, TypeVar

import sqlite_utils

from storage.migrations import known_migrations, migrations

T = TypeVar("T")
Work = Callable[[sqlite_utils.Database], T]


class DatabaseProblem(Exception):
    """The database can't be used."""


class DatabaseDamaged(DatabaseProblem):
    """The file is damaged or no SQLite database; it was left as it is."""


class DatabaseNewer(DatabaseProblem):
    """The file was written by a newer Buildbell; it was left as it is."""


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
        self, path: Path, thread: ThreadPoolExecutor, lock: IO[str], db: sqlite_utils.Database
    ) -> None:
        self.path = path
        self._thread = thread
        self._lock = lock
        self._db = db
        self._gone: set[str] = set()

    @classmethod
    async def open(cls, path: str | Path) -> Self:
        """Open the file, made where it is missing, and bring its schema up to date.

        Raises DatabaseDamaged, DatabaseNewer or DatabaseInUse, each with what to do; the file is then unchanged.
        """
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite")
        try:
            lock, db = await asyncio.get_running_loop().run_in_executor(thread, _open, path)
        except BaseException:
            thread.shutdown()
            raise
        return cls(path, thread, lock, db)

    async def read(self, work: Work[T]) -> T:
        """Run `work` on the database's thread, without a transaction of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, self._db)

    async def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction: all of it is on the disk when this returns, or none of it."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, _in_transaction, self._db, work)

    def of(self, team: str) -> OfWorkspace:
        """The database as what writes for one workspace sees it."""
        return OfWorkspace(self, team)

    def left(self, team: str) -> None:
        """The workspace was wiped; for use inside the transaction that does it.

        Whoever began something for it before, and is not done yet, writes nothing any more.
        """
        self._gone.add(team)

    def returned(self, team: str) -> None:
        """Somebody of the workspace has just asked for something, so the app is there again."""
        self._gone.discard(team)

    def has_left(self, team: str) -> bool:
        """Whether the workspace was wiped, and nobody of it has asked for anything since."""
        return team in self._gone

    async def close(self) -> None:
        """Finish what is queued and close the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._db.close)
        self._thread.shutdown()
        self._lock.close()


class OfWorkspace:
    """Reads and writes for one workspace, for as long as the app is in it."""

    def __init__(self, whole: Database, team: str) -> None:
        self._whole = whole
        self._team = team

    async def read(self, work: Work[T]) -> T:
        """Run `work` on the database's thread, without a transaction of its own."""
        return await self._whole.read(work)

    async def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction. Raises WorkspaceGone."""

        def if_there(db: sqlite_utils.Database) -> T:
            if self._whole.has_left(self._team):
                raise WorkspaceGone
            return work(db)

        return await self._whole.write(if_there)


def check(path: Path) -> None:
    """Look at an existing file without changing it; raises DatabaseDamaged or DatabaseNewer."""
    if not path.exists() or path.stat().st_size == 0:
        return
    try:
        tables, applied = _look_into(path)
    except sqlite3.DatabaseError as error:
        raise DatabaseDamaged(_damaged(path, str(error))) from error
    if "_sqlite_migrations" not in tables:
        if tables:
            raise DatabaseDamaged(
                f"{path} is another program's database. Set DATABASE_URL to a file of Buildbell's own."
            )
        return
    if newer := applied - known_migrations():
        raise DatabaseNewer(
            f"{path} was written by a newer Buildbell (it knows {', '.join(sorted(newer))})."
            " Start that version again, or restore the backup made before the update."
        )


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


def _open(path: Path) -> tuple[IO[str], sqlite_utils.Database]:
    lock = path.with_name(path.name + ".lock").open("w")
    try:
        try:
            # Two bots on one file would tell everything twice, and migrations know no lock of their own.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DatabaseInUse(
                f"{path} is in use by another Buildbell. Stop that one, or set DATABASE_URL to another file."
            ) from error
        check(path)
        db = sqlite_utils.Database(path, execute_plugins=False)
        db.enable_wal()
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
        migrations.apply(db)
    except BaseException:
        lock.close()
        raise
    return lock, db


def _in_transaction(db: sqlite_utils.Database, work: Work[T]) -> T:
    # sqlite-utils' own atomic() begins deferred; IMMEDIATE takes the write lock before anything is read.
    db.execute("BEGIN IMMEDIATE")
    try:
        result = work(db)
    except BaseException:
        db.rollback()
        raise
    db.commit()
    return result
