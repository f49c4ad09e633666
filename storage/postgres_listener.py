"""Notices of other bots on a PostgreSQL server, on a connection of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import NoReturn

import psycopg
import structlog
from psycopg import sql

from storage.postgres_connection import NOTICES
from storage.postgres_server import RETRY_SECONDS, Psycopg, connect, connect_in_thread

log = structlog.get_logger()


class PostgresListener:
    """Listens to what transactions of other bots notify (PostgreSQL, "LISTEN").

    The server keeps no notice for a connection that was lost. So after each new one, `missed` is called.
    """

    def __init__(
        self, url: str, own: str, *, deliver: Callable[[str, str], None], missed: Callable[[], None]
    ) -> None:
        """`own` is the origin of this process's notices, which are delivered already."""
        self._url = url
        self._own = own
        self._deliver = deliver
        self._missed = missed

    async def run(self) -> NoReturn:
        """Listen, also after outages, until cancelled."""
        while True:
            try:
                connection = await connect_in_thread(self._connect)
            except psycopg.Error:
                # The log says already that the server is away.
                await asyncio.sleep(RETRY_SECONDS)
                continue
            try:
                self._missed()
                await self._read(connection)
            except psycopg.Error:
                pass
            finally:
                connection.close()

    def _connect(self) -> Psycopg:
        connection = connect(self._url)
        try:
            connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(NOTICES)))
        except BaseException:
            connection.close()
            raise
        return connection

    async def _read(self, connection: Psycopg) -> None:
        """Deliver notices. Raises psycopg.OperationalError once the connection is lost.

        The system notices that the server's machine does not answer any more (`storage.postgres_server.PARAMETERS`).
        """
        loop, descriptor = asyncio.get_running_loop(), connection.fileno()
        has_input = asyncio.Event()
        has_input.set()  # something may have come together with the answer to LISTEN
        loop.add_reader(descriptor, has_input.set)
        try:
            while True:
                await has_input.wait()
                has_input.clear()
                connection.pgconn.consume_input()
                while (notice := connection.pgconn.notifies()) is not None:
                    origin, topic, payload = json.loads(notice.extra)
                    if origin != self._own:
                        self._deliver(topic, payload)
        finally:
            loop.remove_reader(descriptor)
