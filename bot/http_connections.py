"""Limits for connections of the HTTP server: their number, and the data they hold before a request is verified.

Behind a proxy all requests come from one address, so nothing is counted by address. New connections never wait:
each is accepted, and the one that has kept the server waiting longest is closed. A request from Slack arrives
completely within milliseconds, so it is the newest; connections that only hold data are the oldest.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

import structlog
from aiohttp import web

log = structlog.get_logger()

# Half of the usual limit of open files per process.
MAX_CONNECTIONS = 512
# All bytes together from connections whose request is not verified yet, headers and bodies. Slack's
# requests have a few kilobytes; twice the largest possible request fits.
MAX_HELD_BYTES = 4 * 1024 * 1024
# Requests that wait on a connection while another is answered. Neither Slack nor a proxy sends one before it has the
# response; the headers of each take about forty times the memory of their bytes.
MAX_WAITING_REQUESTS = 1
# Bytes read at once from a connection.
READ_BYTES = 16 * 1024
# Time between two log lines about the same problem: a flood of requests must not flood the log.
LOG_SECONDS = 10.0


class Connection(web.RequestHandler, asyncio.BufferedProtocol):
    """One connection. `held`: bytes received since the last request on it was answered or verified.

    All connections share one read buffer: otherwise asyncio allocates 256 KiB for each piece, however small, which
    fragments the memory. `busy`: a verified request on it is being answered. `trusted`: it has
    carried a verified request.
    """

    def __init__(self, connections: Connections, server: web.Server, **limits: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **limits)
        self._all = connections
        self.held = 0
        self.latest = 0
        self.busy = False
        self.trusted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection."""
        super().connection_made(transport)
        self._all.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Remove the connection."""
        self._all.closed(self)
        super().connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer for the next piece."""
        del sizehint
        return self._all.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Copy a piece from the shared buffer."""
        self.data_received(bytes(self._all.buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Count the data, and disconnect a client that sends more requests without reading the responses."""
        self._all.received(self, len(data))
        super().data_received(data)
        if len(self._messages) > MAX_WAITING_REQUESTS:
            while len(self._messages) > MAX_WAITING_REQUESTS:
                self._messages.pop()  # free the memory before this connection's task ends
            self._all.pipelined(self)

    def close_immediately(self) -> None:
        """Close the connection at once, without reading or writing the rest."""
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()


class Connections:
    """All connections of a server, and a protocol factory for asyncio's servers."""

    def __init__(
        self,
        server: web.Server,
        *,
        max_connections: int = MAX_CONNECTIONS,
        max_held: int = MAX_HELD_BYTES,
        **limits: Any,
    ) -> None:
        """Take aiohttp's own `limits` for each connection."""
        self._server = server
        self._limits = limits
        self._most = max_connections
        self._most_held = max_held
        # Oldest idle or unverified connection first.
        self._open: OrderedDict[Connection, None] = OrderedDict()
        self._trusted: OrderedDict[Connection, None] = OrderedDict()
        self.buffer = memoryview(bytearray(READ_BYTES))
        self._given_up = 0
        self._silent_until = 0.0
        self.held = 0

    def __call__(self) -> Connection:
        """Create a connection."""
        return Connection(self, self._server, **self._limits)

    def __len__(self) -> int:
        return len(self._open) + len(self._trusted)

    def opened(self, connection: Connection) -> None:
        """Accept a connection; close another one if there are too many."""
        self._open[connection] = None
        if len(self) > self._most:
            self._close(self._longest_idle() or connection, "too many connections")

    def closed(self, connection: Connection) -> None:
        """Remove a connection."""
        self._open.pop(connection, None)
        self._trusted.pop(connection, None)
        self._hold(connection, 0)
        connection.busy = False

    def received(self, connection: Connection, count: int) -> None:
        """Count data of a connection; above the limit, close the connection that has held data for longest."""
        if connection not in self._open and connection not in self._trusted:
            return
        connection.latest = count
        if connection.busy:
            return
        self._hold(connection, connection.held + count)
        while self.held > self._most_held:
            self._close(self._longest_holding(), "too much is held")

    def pipelined(self, connection: Connection) -> None:
        """Close a connection that sends requests faster than they are answered."""
        self._close(connection, "several requests at once")

    def verified(self, request: web.Request) -> None:
        """Mark a request as verified, so that its data no longer counts toward the limit."""
        connection = request.protocol
        if isinstance(connection, Connection) and (connection in self._open or connection in self._trusted):
            self._hold(connection, 0)
            connection.busy = connection.trusted = True
            self._open.pop(connection, None)
            self._trusted[connection] = None

    def answered(self, request: web.Request) -> None:
        """Mark a request as answered or rejected."""
        connection = request.protocol
        if not isinstance(connection, Connection):
            return
        group = self._trusted if connection.trusted else self._open
        if connection not in group:
            return
        connection.busy = False
        group.move_to_end(connection)
        # The last piece may already contain the start of the next request.
        self._hold(connection, min(connection.held, connection.latest))

    def _hold(self, connection: Connection, count: int) -> None:
        self.held += count - connection.held
        connection.held = count

    def _longest_idle(self) -> Connection | None:
        """Return the oldest idle connection: unverified ones first, then trusted ones."""
        return next((one for group in (self._open, self._trusted) for one in group if not one.busy), None)

    def _longest_holding(self) -> Connection:
        return next(one for group in (self._open, self._trusted) for one in group if one.held)

    def _close(self, connection: Connection, reason: str) -> None:
        self._given_up += 1
        now = asyncio.get_running_loop().time()
        if now >= self._silent_until:
            log.warning("connections.given_up", reason=reason, count=self._given_up, held=self.held)
            self._given_up, self._silent_until = 0, now + LOG_SECONDS
        self.closed(connection)
        connection.close_immediately()
