"""A connection pooler in transaction mode between bots and a PostgreSQL server, such as PgBouncer's."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# Requests for an encrypted connection, which a server answers with N if it has none (PostgreSQL, "Message Formats").
ENCRYPTION_REQUESTS = (80877103, 80877104)


@dataclass
class Backend:
    """A session of the server; `greeting` is what it has said at its start."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    greeting: bytes


class TransactionPooler:
    """Gives each transaction the session of the server that was freed last, as PgBouncer does by default."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._idle: list[Backend] = []
        self._all: list[Backend] = []
        self._clients: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        for writer in (*self._clients.values(), *(backend.writer for backend in self._all)):
            writer.close()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._clients[task] = writer
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            startup = await _read_untyped(reader)
            while int.from_bytes(startup[4:8], "big") in ENCRYPTION_REQUESTS:
                writer.write(b"N")
                startup = await _read_untyped(reader)
            backend: Backend | None = await self._take(startup)
            assert backend is not None
            writer.write(backend.greeting)
            self._idle.append(backend)
            backend = None
            while True:
                message = await _read_message(reader)
                if message[:1] == b"X":
                    break
                backend = backend or await self._take(startup)
                backend.writer.write(message)
                # A query, or the end of an extended one.
                if message[:1] in (b"Q", b"S"):
                    answer = b""
                    while answer[:1] != b"Z":
                        answer = await _read_message(backend.reader)
                        writer.write(answer)
                    if answer[5:6] == b"I":  # no transaction is open
                        self._idle.append(backend)
                        backend = None
        writer.close()

    async def _take(self, startup: bytes) -> Backend:
        if self._idle:
            return self._idle.pop()
        reader, writer = await asyncio.open_unix_connection(self._socket)
        writer.write(startup)
        greeting = b""
        while not greeting.endswith(b"Z\0\0\0\x05I"):
            greeting += await _read_message(reader)
        backend = Backend(reader, writer, greeting)
        self._all.append(backend)
        return backend


async def _read_untyped(reader: asyncio.StreamReader) -> bytes:
    length = await reader.readexactly(4)
    return length + await reader.readexactly(int.from_bytes(length, "big") - 4)


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    return await reader.readexactly(1) + await _read_untyped(reader)
