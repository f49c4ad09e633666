"""The database that DATABASE_URL names."""

from __future__ import annotations

import sys

from storage.database import Database
from storage.sqlite_database import SqliteDatabase

POSTGRES = ("postgresql://", "postgres://")


def is_postgres(url: str) -> bool:
    """Return whether the database is PostgreSQL; otherwise it is a file."""
    return url.startswith(POSTGRES)


def find_url_problem(url: str) -> str | None:
    """Return why a PostgreSQL URL can't be used; None if it can. The text names no password."""
    try:
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415
    except ModuleNotFoundError:
        return "needs additional packages for PostgreSQL: pip install 'buildbell[postgres]'"
    import psycopg  # noqa: PLC0415

    try:
        parameters = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return "isn't a valid PostgreSQL URL: postgresql://user:password@host/database"
    if not parameters.get("dbname"):
        return "must name the database: postgresql://user:password@host/database"
    host, port = str(parameters.get("host", "")), str(parameters.get("port", ""))
    is_number = port.replace(",", "0").isdecimal()
    if "@" in host or "@" in str(parameters["dbname"]) or (port and not is_number):
        # The server's name would be a part of the password, and stand in the log.
        return "has characters in its user or password that must be encoded: %40 for @, %2F for /, %3A for :"
    return None


def server_errors() -> tuple[type[Exception], ...]:
    """Return the errors of PostgreSQL's driver; none where it is not used."""
    driver = sys.modules.get("psycopg")
    return () if driver is None else (driver.Error,)


def describe_server_error(problem: Exception) -> str:
    """Return what the server says without its details, which may quote a row."""
    return next(iter(str(problem).splitlines()), type(problem).__name__).rstrip(".") + "."


async def open_database(url: str, *, wait_seconds: float = 10.0) -> Database:
    """Open the database, and migrate its schema. Raises DatabaseProblem.

    `wait_seconds`: how long a transaction waits for a server that is away.
    """
    if not is_postgres(url):
        return await SqliteDatabase.open(sqlite_path(url))
    # Imported only here: it takes time, and most bots use a file.
    from storage.postgres_database import PostgresDatabase  # noqa: PLC0415

    return await PostgresDatabase.open(url, wait_seconds=wait_seconds)


async def migrate_database(url: str) -> None:
    """Migrate the schema, on PostgreSQL also while bots run. Raises DatabaseProblem."""
    if is_postgres(url):
        from storage.postgres_server import migrate_when_available  # noqa: PLC0415

        await migrate_when_available(url)
    else:
        await (await SqliteDatabase.open(sqlite_path(url))).close()


async def open_shared_database(url: str) -> Database:
    """Open the database for a short command, while a bot may use it. Raises DatabaseProblem."""
    if not is_postgres(url):
        return await SqliteDatabase.open_shared(sqlite_path(url))
    from storage.postgres_database import PostgresDatabase  # noqa: PLC0415

    return await PostgresDatabase.open_shared(url)


def sqlite_path(url: str) -> str:
    """Return the path of an SQLite file; it may stand without `sqlite:///`."""
    return url.removeprefix("sqlite:///")
