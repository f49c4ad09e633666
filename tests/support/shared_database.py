"""Several bots' databases, and the repositories over them, on one PostgreSQL server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from storage.database_url import open_database
from storage.encryption import SecretBox
from storage.repositories import Repositories
from tests.support.bot_harness import SECRET_KEY
from tests.support.postgres import PostgresServer
from tests.support.repositories import make_repositories
from tests.support.transactions import check_locks


@asynccontextmanager
async def open_repositories(postgres: PostgresServer, count: int = 2) -> AsyncIterator[list[Repositories]]:
    """Open one new database for several bots."""
    url = postgres.new_database()
    with check_locks():
        async with AsyncExitStack() as stack:
            opened = []
            for _ in range(count):
                database = await open_database(url)
                stack.push_async_callback(database.close)
                opened.append(make_repositories(database, SecretBox([SECRET_KEY])))
            yield opened
    postgres.recycle_database(url)
