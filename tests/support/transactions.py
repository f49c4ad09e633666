"""What transactions on PostgreSQL do with locks: in which order they take them, and what they write without any."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

import storage
import storage.postgres_database
from storage.connection import LOCKS, Cursor, Parameters, Wake
from storage.postgres_connection import PostgresConnection

_STORAGE = Path(storage.__file__).parent
_PASSED = {"postgres_connection.py", "postgres_database.py", "database.py"}
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE)\b")
# Transactions that read first and write then, and are right without a lock.
_NO_ONE_TIME = (
    "what it reads is only which lock it needs: none, if no one-time subscription is in the message"
)
WITHOUT_LOCK = {
    "rotate_key": "each UPDATE has the value that was read as its condition; then the audit log's lock is taken",
    "Outbox.mark_delivered.<locals>.work": _NO_ONE_TIME,
    "Outbox.mark_refused.<locals>.work": _NO_ONE_TIME,
}


@dataclass
class Transaction:
    """What a transaction has done so far. `work` is the function in storage/ that has written, "" for a test's."""

    locks: list[tuple[str, ...]] = field(default_factory=list)
    shared: set[tuple[str, ...]] = field(default_factory=set)
    has_read: bool = False
    work: str | None = None
    problems: list[str] = field(default_factory=list)

    def read(self) -> None:
        """Note a statement that reads."""
        self.has_read = True

    def write(self) -> None:
        """Note a statement that writes."""
        if self.work is not None:
            return
        self.work = _name_of_work()
        if self.has_read and not self.locks and self.work and self.work not in WITHOUT_LOCK:
            self.problems.append(f"{self.work} reads, and then writes, without a lock")

    def lock(self, name: tuple[str, ...], *, shared: bool) -> None:
        """Note a lock."""
        if name[0] not in LOCKS:
            self.problems.append(f"{name[0]} is not in LOCKS")
            return
        if name in self.locks:
            if name in self.shared and not shared:
                self.problems.append(f"{name} is taken shared, and then alone")
            return
        if self.locks and _rank(name) < _rank(self.locks[-1]):
            self.problems.append(f"{name} is taken after {self.locks[-1]}")
        if self.work is not None and name[0] != LOCKS[-1]:
            self.problems.append(f"{self.work} takes {name} after it has written")
        self.locks.append(name)
        if shared:
            self.shared.add(name)


class RecordedConnection(PostgresConnection):
    """A connection that notes what its transaction does."""

    def __init__(
        self, connection: psycopg.Connection[Any], on_wake: Wake | None, transaction: Transaction
    ) -> None:
        super().__init__(connection, on_wake)
        self.transaction = transaction

    def execute(self, statement: str, parameters: Parameters = ()) -> Cursor:
        """Run a statement."""
        self._note(statement)
        return super().execute(statement, parameters)

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> int:
        """Run a statement once for each row of parameters."""
        rows = list(rows)
        if rows:
            self._note(statement)
        return super().executemany(statement, rows)

    def lock(self, *name: str, shared: bool = False) -> None:
        """Take a lock."""
        self.transaction.lock(name, shared=shared)
        super().lock(*name, shared=shared)

    def _note(self, statement: str) -> None:
        if _WRITES.match(statement):
            self.transaction.write()
        elif "pg_advisory" not in statement:
            self.transaction.read()


@contextmanager
def check_locks() -> Iterator[list[Transaction]]:
    """Check all transactions on PostgreSQL in the meantime: no lock may be missing or taken in another order."""
    transactions: list[Transaction] = []

    def connect(connection: psycopg.Connection[Any], on_wake: Wake | None = None) -> PostgresConnection:
        transaction = Transaction()
        # Reads see one moment and write nothing.
        if not connection.read_only:
            transactions.append(transaction)
        return RecordedConnection(connection, on_wake, transaction)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage.postgres_database, "PostgresConnection", connect)
        yield transactions
    if problems := {problem for transaction in transactions for problem in transaction.problems}:
        pytest.fail("; ".join(sorted(problems)))


def _rank(name: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    return LOCKS.index(name[0]), name


def _name_of_work() -> str:
    """Return the name of the function in storage/ that runs as a transaction."""
    frame, name = sys._getframe(1), ""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.parent == _STORAGE and path.name not in _PASSED:
            name = frame.f_code.co_qualname
        frame = frame.f_back  # type: ignore[assignment]
    return name
