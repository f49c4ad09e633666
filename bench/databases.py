"""The databases that benchmarks compare."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

SQLITE, POSTGRES = "SQLite", "PostgreSQL"
NewDatabase = Callable[[], str]


@contextmanager
def new_databases() -> Iterator[dict[str, NewDatabase]]:
    """Yield what makes the URL of a new database, by kind. Without a PostgreSQL there is only SQLite.

    All are as durable as in use: each commit waits for the disk.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        numbers = iter(range(1_000))
        made: dict[str, NewDatabase] = {SQLITE: lambda: f"sqlite:///{folder / f'{next(numbers)}.db'}"}
        try:
            # psycopg is an optional dependency.
            from tests.support.postgres import PostgresServer  # noqa: PLC0415

            server = PostgresServer(durable=True)
        except (LookupError, ModuleNotFoundError) as problem:
            print(f"PostgreSQL is not measured: {problem}.")
        else:
            stack.callback(server.stop)
            # Empty, as a bot finds it at its first start.
            made[POSTGRES] = partial(server.new_database, migrated=False)
        yield made
