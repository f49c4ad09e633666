"""The database: transactions that run beside the event loop, and what can be wrong with it."""

from __future__ import annotations

import asyncio
import hashlib
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

from domain.unit import Unit
from storage.connection import Connection, Wake
from storage.session_locks import SessionLocks
from storage.timestamps import to_text

T = TypeVar("T")
# Between two tries while the database is away.
AGAIN_SECONDS = 1.0
# The topic of notices that the app was removed from a workspace; the payload is the workspace.
REMOVED = "removed"
# The topic of notices that a user's accounts, or the user, have changed; the payload is a JSON list: the process that
# says so, "" for a command, the workspace and the user.
PERSON = "person"
Work = Callable[[Connection], T]
# Gets the payload of a notice, or None if some may have been missed.
Listener = Callable[[str | None], None]


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
    """Another Buildbell has the file open, or a copy the database on the server."""


class DatabasePooled(DatabaseProblem):
    """A connection pooler lets transactions share sessions of the server, so that locks get lost."""


class DatabaseUnavailable(DatabaseProblem):
    """The database server does not answer."""


class DatabaseIncomplete(DatabaseProblem):
    """A copy of another database into this one has not ended."""


class CommitUnconfirmed(DatabaseUnavailable):
    """The connection was lost during a commit, so that all of the transaction is stored, or nothing."""


class WorkspaceGone(Exception):
    """The workspace has uninstalled the app, so its data is no longer stored."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class Database(ABC):
    """An open database. Work runs on threads of its own, because the event loop must never wait for the disk.

    `session_locks` are the locks that this process can hold for longer than a transaction.
    """

    def __init__(self, session_locks: SessionLocks) -> None:
        self.session_locks = session_locks
        self._prepare: Callable[[Connection, str], None] | None = None
        # The workspaces that were prepared for writes, and those that have sent a request. Both are forgotten when the
        # app is removed, so that only a request from after that makes the workspace present again.
        self._prepared: set[str] = set()
        self._present: set[str] = set()
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)
        self._listeners_for_others: defaultdict[str, list[Listener]] = defaultdict(list)
        self._listeners[REMOVED].append(self.forget_presence)
        self.report_unconfirmed: Callable[[], None] = lambda: None
        self._on_wake: Wake | None = None

    def use_engine(self, wake: Wake) -> None:
        """Let the engine know of each wake within a transaction; `wake` gets the transaction's connection."""
        self._on_wake = wake

    async def wake(self, unit: Unit, keys: Iterable[str] = ("",), *, at: datetime | None = None) -> None:
        """Wake a unit of work where no transaction makes that necessary."""

        def work(db: Connection) -> None:
            for key in keys:
                db.wake(unit, key, at=at)

        await self.write(work)

    @property
    def is_available(self) -> bool:
        """Whether the database answers; a file always does."""
        return True

    @abstractmethod
    def read(self, work: Work[T]) -> Awaitable[T]:
        """Run `work`, which only reads; all that it reads is from one moment."""

    @abstractmethod
    def write(self, work: Work[T]) -> Awaitable[T]:
        """Run `work` in one transaction: all of it is on the disk when this is done, or none of it."""

    @abstractmethod
    async def erase(self, work: Work[T], *, tables: Sequence[str] = ()) -> T:
        """Run `work` in one transaction, and erase from the files what it deleted from these tables."""

    @abstractmethod
    async def rewrite(self) -> bool:
        """Rewrite the files, so that no trace of deleted data remains.

        Returns whether that is done completely; other programs that read the database may prevent it.
        """

    @abstractmethod
    async def rewrite_if_marked(self) -> bool:
        """Rewrite the files if deleted data must leave no trace in them. Returns whether they were rewritten."""

    @abstractmethod
    async def close(self) -> None:
        """Finish queued work and close the database."""

    def when_unconfirmed(self, report: Callable[[], None]) -> None:
        """Call `report` after each transaction of which it is not known whether it was stored."""
        self.report_unconfirmed = report

    def of(self, team: str) -> WorkspaceDatabase:
        """Return the database for one workspace."""
        return WorkspaceDatabase(self, team)

    def before_first_write(self, prepare: Callable[[Connection, str], None]) -> None:
        """Run `prepare` in a transaction of its own before the first one of each workspace."""
        self._prepare = prepare

    async def prepare(self, team: str) -> None:
        """Prepare the workspace for writes, unless that was done. Raises WorkspaceGone."""
        if team in self._prepared:
            return

        def work(db: Connection) -> None:
            if _lock_and_check(db, team):
                if team not in self._present:
                    raise WorkspaceGone
                db.execute("DELETE FROM removed_workspaces WHERE fingerprint = ?", [_fingerprint(team)])
            if self._prepare is not None:
                self._prepare(db, team)

        await self.write(work)
        self._prepared.add(team)

    def mark_present(self, team: str) -> None:
        """Note that the workspace has sent a request, so the app is installed there, possibly again."""
        self._present.add(team)

    def forget_presence(self, team: str | None) -> None:
        """Forget that the workspace is there, until it sends a request; without a name, forget all."""
        for teams in (self._prepared, self._present):
            if team is None:
                teams.clear()
            else:
                teams.discard(team)

    def listen(self, topic: str, callback: Listener, *, of_others: bool = False) -> None:
        """Call this on the event loop with each notice of the topic, from this bot and from others on the database.

        None says that some may have been missed. A notice is only a hint to look again: nothing may depend on it.
        `of_others`: only with those of other bots.
        """
        listeners = self._listeners_for_others if of_others else self._listeners
        listeners[topic].append(callback)

    def deliver(self, topic: str, payload: str) -> None:
        """Call the listeners of a topic with a notice of this bot."""
        for callback in self._listeners[topic]:
            callback(payload)

    def deliver_of_others(self, topic: str, payload: str) -> None:
        """Call the listeners of a topic with a notice of another bot."""
        for callback in (*self._listeners[topic], *self._listeners_for_others[topic]):
            callback(payload)

    def deliver_missed(self) -> None:
        """Tell all listeners that they may have missed notices."""
        for listeners in (self._listeners, self._listeners_for_others):
            for callbacks in list(listeners.values()):
                for callback in callbacks:
                    callback(None)


def _lock_and_check(db: Connection, team: str) -> bool:
    """Prevent that the workspace is wiped during this transaction; return whether it was."""
    with db.batch():
        db.lock("workspace", team, shared=True)
        found = db.execute(_REMOVED, [_fingerprint(team)])
    return found.fetchone() is not None


def is_removed(db: Connection, team: str) -> bool:
    """Return whether the workspace was wiped and has sent no request since."""
    return db.execute(_REMOVED, [_fingerprint(team)]).fetchone() is not None


_REMOVED = "SELECT 1 FROM removed_workspaces WHERE fingerprint = ?"


def mark_removed(db: Connection, team: str, at: datetime) -> None:
    """Note that the workspace is being wiped; for use inside that transaction, which has its lock alone.

    Requests and jobs that are still running for it can't write any more, in whatever process.
    """
    db.execute(
        "INSERT INTO removed_workspaces (fingerprint, removed_at) VALUES (?, ?)"
        " ON CONFLICT (fingerprint) DO UPDATE SET removed_at = excluded.removed_at",
        [_fingerprint(team), to_text(at)],
    )
    db.notify(REMOVED, team)


def _fingerprint(team: str) -> str:
    # A workspace that was wiped is named nowhere.
    return hashlib.sha256(team.encode()).hexdigest()


def run_callbacks(loop: asyncio.AbstractEventLoop, callbacks: Sequence[Callable[[], None]]) -> None:
    """Call what follows a commit on the event loop, before whoever waits for the transaction goes on."""

    def run() -> None:
        for callback in callbacks:
            callback()

    if callbacks:
        loop.call_soon_threadsafe(run)


async def retry_until_stored(write: Callable[[], Awaitable[T]]) -> T:
    """Repeat a write until the database has taken it: for what has already happened elsewhere, and can't be undone.

    It may be carried out twice, if a commit was not confirmed.
    """
    while True:
        try:
            return await write()
        except DatabaseUnavailable:
            await asyncio.sleep(AGAIN_SECONDS)


async def confirm(write: Callable[[], Awaitable[T]]) -> T:
    """Carry out a write that can be repeated, and repeat it if its commit was not confirmed, until it is.

    Raises DatabaseUnavailable if certainly nothing was stored.
    """
    try:
        return await write()
    except CommitUnconfirmed:
        return await retry_until_stored(write)


class WorkspaceDatabase:
    """Reads and writes for one workspace, as long as the app is installed there."""

    def __init__(self, database: Database, team: str) -> None:
        self._database = database
        self._team = team

    def read(self, work: Work[T]) -> Awaitable[T]:
        """Run `work` on the database's thread, without a transaction of its own."""
        return self._database.read(work)

    async def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction. Raises WorkspaceGone."""
        return await self._run(lambda: self._database.write(self._check_presence(work)))

    async def erase(self, work: Work[T], *, tables: Sequence[str]) -> T:
        """Run `work` in one transaction, and erase from the files what it deleted. Raises WorkspaceGone."""
        return await self._run(lambda: self._database.erase(self._check_presence(work), tables=tables))

    async def _run(self, transact: Callable[[], Awaitable[T]]) -> T:
        try:
            await self._database.prepare(self._team)
            return await transact()
        except WorkspaceGone:
            self._database.forget_presence(self._team)
            raise

    def _check_presence(self, work: Work[T]) -> Work[T]:
        def checked_work(db: Connection) -> T:
            if _lock_and_check(db, self._team):
                raise WorkspaceGone
            return work(db)

        return checked_work
