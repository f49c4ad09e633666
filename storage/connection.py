"""What a transaction can do with the database, whichever it is: SQL that SQLite and PostgreSQL both understand."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from typing import Any, Protocol, cast

from domain.unit import Unit

Parameters = Sequence[Any] | Mapping[str, Any]

# The kinds of locks, in the order in which they are taken; each is the first part of a lock's name.
LOCKS = (
    # A workspace: shared by each write of its data, so that whoever deletes all of it misses nothing.
    "workspace",
    # A provider's watched apps, builds and subscriptions, and the notifications of these: taken by each poll, and by
    # whatever changes them; shared by what only relies on them.
    "watching",
    # A user's accounts at the providers: an account, and whether subscriptions rely on it.
    "account",
    # An installation of the Slack app: its token.
    "installation",
    # A channel: which message shows a run.
    "channel",
    # A message: what users have added to it.
    "message",
    # A workspace's users: who has claimed which name.
    "people",
    # The audit log: the register is one row for all chains. The last lock, since all workspaces share it.
    "audit",
)


def escape_like(text: str) -> str:
    """Escape the text for a pattern of LIKE ... ESCAPE '\\'."""
    return re.sub(r"([\\%_])", r"\\\1", text)


class Cursor(Protocol):
    """The result of a statement."""

    @property
    def rowcount(self) -> int:
        """The number of rows that the statement has changed."""

    def fetchone(self) -> Any:
        """Return the next row as a tuple, or None."""

    def fetchall(self) -> list[Any]:
        """Return all remaining rows."""

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """A connection within a transaction.

    Parameters are marked with `?`, or with `:name` if they are a mapping; true and false are stored as 1 and 0.
    """

    def execute(self, statement: str, parameters: Parameters = ()) -> Cursor:
        """Run a statement."""

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run a statement once for each row of parameters. Returns how many rows of the table that has changed."""

    def lock(self, *name: str, shared: bool = False) -> None:
        """Wait until no other transaction has the lock of this name; it is released when this one ends.

        Transactions can have a `shared` lock at the same time, but not beside one that is not shared.

        For transactions that read something and then write what depends on it: PostgreSQL runs others at the same
        time (PostgreSQL, "Transaction Isolation", READ COMMITTED). SQLite has a single writer. A transaction takes its
        locks before it changes any row, and in the order of LOCKS, those of one kind in the order of their names: then
        no two transactions wait for each other.
        """

    def batch(self) -> AbstractContextManager[object]:
        """Send the statements of the block to the server together; their results can be read after it."""

    def notify(self, topic: str, payload: str = "") -> None:
        """Tell all bots on this database of something, once the transaction is committed (`Database.listen`)."""

    def now(self) -> datetime:
        """Return the time by the database's clock, which all bots share."""

    def live_workers(self) -> set[str]:
        """Return the names (`SessionLocks.worker`) of the bots' processes whose sessions at the database last.

        It is read at this moment, not at the transaction's. When the database server comes back after an outage, the
        sessions come back within seconds, one after the other: a process that is missing once may be alive.
        """

    def primary_key(self, table: str) -> list[str]:
        """Return the columns of the table's primary key, in its order."""

    def audit_triggers(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return the triggers of the audit log's tables by name: as they are, and as this version creates them."""

    def mark_for_rewriting(self) -> None:
        """Note that deleted data must leave no trace in the database's files; SQLite's file is rewritten later."""

    def wake(self, unit: Unit, key: str = "", *, at: datetime | None = None) -> None:
        """Let a unit of background work do what this transaction makes due for the key, at that time or at once.

        It happens after the commit, and not at all if the transaction is rolled back. Without an engine that runs the
        units, in the commands of `buildbell`, nothing happens: the bot finds what is due when it starts.
        """

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call this on the event loop once the transaction is committed; never if it is rolled back."""


Wake = Callable[[Connection, Unit, str, datetime | None], None]
Notify = Callable[[str, str], None]


class CommitCallbacks:
    """The part of a connection that collects what follows the commit."""

    def __init__(self, on_wake: Wake | None = None) -> None:
        self.on_wake = on_wake
        self.on_notify: Notify | None = None
        self._callbacks: list[Callable[[], None]] = []

    def wake(self, unit: Unit, key: str = "", *, at: datetime | None = None) -> None:
        """Wake a unit of work after the commit."""
        if self.on_wake is not None:
            self.on_wake(cast("Connection", self), unit, key, at)

    def notify(self, topic: str, payload: str = "") -> None:
        """Tell this process of something after the commit."""
        if self.on_notify is not None:
            self.after_commit(partial(self.on_notify, topic, payload))

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call this once the transaction is committed."""
        self._callbacks.append(callback)

    def take_callbacks(self) -> list[Callable[[], None]]:
        """Return what was collected, and forget it."""
        callbacks, self._callbacks = self._callbacks, []
        return callbacks
