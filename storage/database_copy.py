"""Copy of an SQLite file into PostgreSQL, in which every row is compared.

Each table is copied, compared and noted as copied in one transaction, so that a killed copy goes on with the next
table. Until all tables are there, the target has a table (COPY_TABLE) with which no bot and no command opens it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from domain.control_characters import json_without_nul
from storage.database import DatabaseInUse, DatabaseMissing, DatabaseOlder, DatabaseProblem
from storage.migrations import known_migrations
from storage.personal_data_columns import COLUMNS
from storage.postgres_migrations import MIGRATIONS
from storage.postgres_server import COPY_TABLE, connect_for_copy, prepare_for_copy
from storage.sqlite_database import check, lock_commands_out, lock_exclusive

# After this many rows the progress is reported; and as many are fetched at once.
PROGRESS_ROWS = 2_000
# Hashes and signatures cover what these tables hold, so that no character of it may change.
_AUDIT_TABLES = frozenset({"audit", "audit_chains", "audit_register", "audit_anchor_lines"})
_ESCAPED_NUL = "\\u0000"
_MIGRATION_TABLES = frozenset({"buildbell_migrations", COPY_TABLE})
# What is in the register of the audit log of a database that has never been used.
_NEW_REGISTER = (1, "{}", "", 0, "", None)

Report = Callable[[str, int, int], None]
Row = tuple[Any, ...]


class CopyRefused(DatabaseProblem):
    """The copy is not possible between these databases; the message says what to do."""


class CopyFailed(Exception):
    """A row can't be copied, or differs in the copy; the message says which one."""


@dataclass
class CopyResult:
    """What was copied: the rows of each table, in how many of them NULs were removed, and the tables of earlier tries.

    `was_complete`: the target had all rows already, and nothing was changed.
    """

    rows: dict[str, int] = field(default_factory=dict)
    changed_rows: dict[str, int] = field(default_factory=dict)
    from_before: set[str] = field(default_factory=set)
    was_complete: bool = False


def copy_database(path: Path, url: str, report: Report = lambda _table, _total, _copied: None) -> CopyResult:
    """Copy all rows of the file at `path` into the PostgreSQL database at `url`.

    The file is only read. A copy that was ended at any moment goes on when it is started again. `report` gets the name
    of a table, the number of its rows, and how many of them are copied. Raises DatabaseProblem, CopyFailed,
    psycopg.Error, sqlite3.Error.
    """
    with ExitStack() as stack:
        source = _Source(stack.enter_context(closing(_open_source(path, stack))))
        target = _Target(_connect_target(url, stack))
        finished = target.begin(str(path.resolve()))
        tables = target.tables()
        source.check_tables(tables)
        result = CopyResult({table.name: source.count(table) for table in tables})
        if finished is None:
            if any(_find_difference(source, target, table) for table in tables):
                raise CopyRefused(
                    "the PostgreSQL database has other Buildbell data. Name an empty one; `createdb` creates it."
                )
            result.was_complete = True
            return result
        for table in tables:
            total = result.rows[table.name]
            # A bot may have changed the file between two tries.
            if table.name in finished and not _find_difference(source, target, table):
                result.from_before.add(table.name)
            else:
                _copy_table(source, target, table, partial(report, table.name, total))
            if changed := source.changed_rows[table.name]:
                result.changed_rows[table.name] = changed
            report(table.name, total, total)
        target.finish(source, tables)
        return result


def _copy_table(source: _Source, target: _Target, table: _Table, report: Callable[[int], None]) -> None:
    """Copy a table and compare it, in one transaction."""
    with target.connection.transaction():
        target.write(table, source.rows(table), report)
        if (row := _find_difference(source, target, table)) is not None:
            raise CopyFailed(
                f"{table.name}: the copy of the row with {table.describe_key(row)} differs."
                " This table was not copied; run the command again."
            )
        target.note_copied(table)


def _find_difference(source: _Source, target: _Target, table: _Table) -> Row | None:
    """Return the first row that only one of the databases has, or that differs; None if they are equal."""
    with target.connection.transaction(), closing(target.rows(table)) as copied:
        for original, copy in zip_longest(source.rows(table), copied):
            if original != copy:
                return original if original is not None else copy
    return None


@dataclass(frozen=True)
class _Column:
    name: str
    is_number: bool
    is_required: bool
    is_identity: bool


@dataclass(frozen=True)
class _Table:
    """A table of the target. `key`: the columns by which its rows are ordered."""

    name: str
    columns: tuple[_Column, ...]
    key: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    def describe_key(self, row: Sequence[Any]) -> str:
        values = dict(zip(self.names, row, strict=True))
        return ", ".join(f"{name} {str(values[name])[:60]!r}" for name in self.key)

    def must_be_exact(self, column: _Column) -> bool:
        """Return whether a text of this column can't be changed: it is hashed, encrypted, or names the row."""
        encrypted = COLUMNS[self.name].encrypted if self.name in COLUMNS else ()
        return self.name in _AUDIT_TABLES or column.name in encrypted or column.name in self.key


class _Source:
    """The SQLite file, of which everything is read at one moment."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # In how many rows of a table NULs are removed, known after all its rows were read.
        self.changed_rows: dict[str, int] = {}
        connection.text_factory = _decode
        connection.execute("PRAGMA query_only = ON")
        connection.execute("BEGIN")

    def check_tables(self, tables: Sequence[_Table]) -> None:
        """Check that both databases have the same tables and columns. Raises CopyRefused."""
        query = "SELECT name FROM sqlite_master WHERE type = 'table'"
        names = {name for (name,) in self._connection.execute(query) if not name.startswith(("_", "sqlite_"))}
        if other := names ^ {table.name for table in tables}:
            raise CopyRefused(f"only one of the databases has the table {', '.join(sorted(other))}.")
        for table in tables:
            query = f'SELECT name FROM pragma_table_info("{table.name}")'
            columns = {name for (name,) in self._connection.execute(query)}
            if other := columns ^ set(table.names) - {"rowid"}:
                raise CopyRefused(
                    f"only one of the databases has the column {', '.join(sorted(other))} in {table.name}."
                )

    def count(self, table: _Table) -> int:
        """Return the number of rows."""
        return int(self._connection.execute(f'SELECT COUNT(*) FROM "{table.name}"').fetchone()[0])

    def rows(self, table: _Table) -> Iterator[Row]:
        """Yield the rows as PostgreSQL can hold them, by key. Raises CopyFailed."""
        checks = [(int if column.is_number else str, column.is_required) for column in table.columns]
        changed = 0
        for row in self._select(table):
            for value, (kind, is_required) in zip(row, checks, strict=True):
                if value is None:
                    if is_required:
                        break
                elif type(value) is not kind or (
                    isinstance(value, str) and ("\0" in value or _ESCAPED_NUL in value)
                ):
                    break
            else:
                yield row
                continue
            converted = _convert_row(table, row)
            changed += converted != row
            yield converted
        self.changed_rows[table.name] = changed

    def highest(self, table: _Table, column: str) -> int:
        """Return the highest number that a row has or had, or 0."""
        # IDs of deleted rows are not used again, since buttons refer to them (sqlite.org, "SQLite Autoincrement").
        query = f'SELECT MAX({column}) FROM "{table.name}" UNION ALL SELECT seq FROM sqlite_sequence WHERE name = ?'
        return max(number or 0 for (number,) in self._connection.execute(query, [table.name]))

    def _select(self, table: _Table) -> Iterator[Row]:
        columns, key = (", ".join(f'"{name}"' for name in names) for names in (table.names, table.key))
        cursor = self._connection.execute(f'SELECT {columns} FROM "{table.name}" ORDER BY {key}')
        cursor.arraysize = PROGRESS_ROWS
        while rows := cursor.fetchmany():
            yield from rows


class _Target:
    """The PostgreSQL database."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection

    def begin(self, source: str) -> set[str] | None:
        """Begin or continue the copy, and return the tables that are copied already; None if there is other data.

        Raises DatabaseProblem.
        """
        query = "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = %s"
        with self.connection.transaction():
            if self.connection.execute(query, [COPY_TABLE]).fetchone():
                return self._continue(source)
            prepare_for_copy(self.connection)
            if any(self._has_rows(table) for table in self.tables()):
                return None
            self.connection.execute(
                f"CREATE TABLE {COPY_TABLE} (source TEXT NOT NULL, tables TEXT[] NOT NULL)"
            )
            self.connection.execute(f"INSERT INTO {COPY_TABLE} VALUES (%s, '{{}}')", [source])
        return set()

    def _continue(self, source: str) -> set[str]:
        row = self.connection.execute(f"SELECT source, tables FROM {COPY_TABLE}").fetchone()
        begun, tables = row or ("nothing", [])
        if begun != source:
            raise CopyRefused(
                f"a copy of {begun} into this database is not finished. Finish that one, or name an empty database."
            )
        applied = {name for (name,) in self.connection.execute("SELECT name FROM buildbell_migrations")}
        if applied != set(MIGRATIONS):
            raise CopyRefused(
                "another version of Buildbell started this copy. Drop the database, create it again, and start over."
            )
        return set(tables)

    def tables(self) -> list[_Table]:
        """Return all tables with data."""
        query = (
            "SELECT relname, attname, atttypid = 'bigint'::regtype, attnotnull, attidentity <> '',"
            " array_position(indkey::int2[], attnum)"
            " FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped"
            " LEFT JOIN pg_index ON indrelid = pg_class.oid AND indisprimary"
            " WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' ORDER BY relname, attnum"
        )
        columns: dict[str, list[_Column]] = {}
        keys: dict[str, list[tuple[int, str]]] = {}
        for table, name, is_number, is_required, is_identity, place in self.connection.execute(query):
            if table in _MIGRATION_TABLES:
                continue
            columns.setdefault(table, []).append(_Column(name, is_number, is_required, is_identity))
            if place is not None:
                keys.setdefault(table, []).append((place, name))
        return [
            _Table(
                name,
                tuple(of_table),
                ("rowid",)
                if any(column.name == "rowid" for column in of_table)
                else tuple(column for _, column in sorted(keys[name])),
            )
            for name, of_table in columns.items()
        ]

    def rows(self, table: _Table) -> Generator[Row, None, None]:
        """Yield the rows, by key; for use inside a transaction."""
        query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(
            _names(table.names), sql.Identifier(table.name), _names(table.key)
        )
        with self.connection.cursor("buildbell_rows") as cursor:
            cursor.itersize = PROGRESS_ROWS
            yield from cursor.execute(query)

    def write(self, table: _Table, rows: Iterator[Row], report: Callable[[int], None]) -> None:
        """Replace the rows of the table; for use inside a transaction."""
        identifier = sql.Identifier(table.name)
        self.connection.execute(sql.SQL("TRUNCATE {}").format(identifier))
        statement = sql.SQL("COPY {} ({}) FROM STDIN").format(identifier, _names(table.names))
        try:
            with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
                for number, row in enumerate(rows, start=1):
                    copy.write_row(row)
                    if number % PROGRESS_ROWS == 0:
                        report(number)
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded) as problem:
            # The server's other words quote the row.
            raise CopyFailed(
                f"{table.name}: PostgreSQL rejected a row: {problem.diag.message_primary}."
            ) from problem

    def note_copied(self, table: _Table) -> None:
        """Note that the table is complete; for use inside a transaction."""
        without = sql.SQL("UPDATE {} SET tables = array_append(array_remove(tables, {name}), {name})")
        self.connection.execute(without.format(sql.Identifier(COPY_TABLE), name=sql.Literal(table.name)))

    def finish(self, source: _Source, tables: Sequence[_Table]) -> None:
        """Let new rows continue after the highest numbers, and let bots open the database."""
        with self.connection.transaction():
            for table in tables:
                for column in table.columns:
                    if column.is_identity:
                        highest = source.highest(table, column.name)
                        self.connection.execute(
                            "SELECT setval(pg_get_serial_sequence(quote_ident(%s), %s)::regclass, %s, %s > 0)",
                            [table.name, column.name, max(highest, 1), highest],
                        )
            self.connection.execute(f"DROP TABLE {COPY_TABLE}")
        self.connection.execute(sql.SQL("ANALYZE {}").format(_names([table.name for table in tables])))

    def _has_rows(self, table: _Table) -> bool:
        query = sql.SQL("SELECT * FROM {} LIMIT 1").format(sql.Identifier(table.name))
        row = self.connection.execute(query).fetchone()
        return row is not None and (table.name, row) != ("audit_register", _NEW_REGISTER)


def _open_source(path: Path, stack: ExitStack) -> sqlite3.Connection:
    """Lock, check and open the file. Raises DatabaseProblem."""
    if not path.exists() or path.stat().st_size == 0:
        raise DatabaseMissing(f"there is no database at {path}.")
    try:
        stack.callback(lock_exclusive(path).close)
    except DatabaseInUse as problem:
        raise DatabaseInUse(
            f"{path} is in use by a bot or another copy. Stop it first: a bot would add rows during the copy."
        ) from problem
    stack.callback(lock_commands_out(path).close)
    if older := known_migrations() - check(path):
        raise DatabaseOlder(
            f"{path} was written by an older Buildbell (it lacks {', '.join(sorted(older))})."
            " Start the bot of this version once with this file to bring it up to date, then stop the bot."
        )
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)


def _connect_target(url: str, stack: ExitStack) -> psycopg.Connection[Any]:
    """Connect to the target and keep bots out. Raises DatabaseProblem."""
    try:
        return stack.enter_context(connect_for_copy(url))
    except DatabaseInUse as problem:
        raise DatabaseInUse(
            "the PostgreSQL database is in use by a bot or another copy. Stop it first."
        ) from problem


def _decode(text: bytes) -> str | bytes:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text  # which is no text, and is refused with the name of its row


def _convert_row(table: _Table, row: Row) -> Row:
    """Return the row as PostgreSQL can hold it. Raises CopyFailed."""
    return tuple(
        _convert(table, column, value, row) for column, value in zip(table.columns, row, strict=True)
    )


def _convert(table: _Table, column: _Column, value: Any, row: Row) -> Any:
    if value is None and not column.is_required:
        return None
    if type(value) is not (int if column.is_number else str):
        names = {type(None): "no value", float: "a fraction", int: "a number", str: "a text"}
        found = names.get(type(value), "bytes that aren't text")
        raise CopyFailed(
            f"{table.name}: the row with {table.describe_key(row)} has {found} in column {column.name}, which"
            " PostgreSQL can't store there. Correct or delete the row, and run the command again."
        )
    if not isinstance(value, str):
        return value
    if table.must_be_exact(column):
        if "\0" not in value:
            return value
        raise CopyFailed(
            f"{table.name}: the row with {table.describe_key(row)} has a NUL character in column {column.name}."
            " PostgreSQL can't store it, and it can't be removed there: a hash covers this text, or it is part of the"
            " key. Correct or delete the row, and run the command again."
        )
    # The bot removes them from what it reads today; from JSON, too, since it stores the texts in it elsewhere.
    value = value.replace("\0", "")
    if _ESCAPED_NUL in value and value.startswith(("{", "[")):
        return json_without_nul(value.encode()).decode()
    return value


def _names(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
