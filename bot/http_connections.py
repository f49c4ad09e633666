"""Limits for the HTTP server's connections: their number, and the bytes received before a request is verified.

Behind a proxy all requests come from one address, so there are no limits by address. Every new connection is
accepted, and the one that has been waiting longest is closed. A request from Slack arrives completely within
milliseconds, so its connection is among the newest; connections that only hold data are the oldest.
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
# Total bytes, headers and bodies, of all requests that are not verified yet. Slack's requests have a few kilobytes;
# two of the largest possible requests fit.
MAX_HELD_BYTES = 4 * 1024 * 1024
# Requests that wait on a connection while another is answered. Neither Slack nor a proxy sends one before it has the
# response; the headers of each take about forty times the memory of their bytes.
MAX_WAITING_REQUESTS = 1
# Maximum bytes per read from a connection.
READ_BYTES = 16 * 1024
# Time between two log lines about the same problem: a flood of requests must not flood the log.
LOG_SECONDS = 10.0


class Connection(web.RequestHandler, asyncio.BufferedProtocol):
    """One connection. `held`: bytes received since its last request was answered or verified.

    `busy`: a verified request is being answered. `trusted`: it has had a verified request. All connections share one
    read buffer: otherwise asyncio allocates 256 KiB for each read, however small, which fragments the memory.
    """

    def __init__(self, connections: Connections, server: web.Server, **limits: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **limits)
        self._registry = connections
        self.held = 0
        self.latest = 0
        self.busy = False
        self.trusted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Register the connection."""
        super().connection_made(transport)
        self._registry.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Remove the connection."""
        self._registry.closed(self)
        super().connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the shared buffer for the next read."""
        del sizehint
        return self._registry.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Process a copy of the bytes in the shared buffer."""
        self.data_received(bytes(self._registry.buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Count the data, and disconnect a client that sends more requests without reading the responses."""
        self._registry.received(self, len(data))
        super().data_received(data)
        if len(self._messages) > MAX_WAITING_REQUESTS:
            while len(self._messages) > MAX_WAITING_REQUESTS:
                self._messages.pop()  # free the memory before this connection's task ends
            self._registry.pipelined(self)

    def close_immediately(self) -> None:
        """Close the connection without reading or writing the rest."""
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
        self._max_connections = max_connections
        self._max_held = max_held
        # Oldest idle or unverified connection first.
        self._open: OrderedDict[Connection, None] = OrderedDict()
        self._trusted: OrderedDict[Connection, None] = OrderedDict()
        self.buffer = memoryview(bytearray(READ_BYTES))
        self._closed_since_log = 0
        self._next_log_at = 0.0
        self.held = 0

    def __call__(self) -> Connection:
        """Create a connection."""
        return Connection(self, self._server, **self._limits)

    def __len__(self) -> int:
        return len(self._open) + len(self._trusted)

    def opened(self, connection: Connection) -> None:
        """Accept a connection; close another one if there are too many."""
        self._open[connection] = None
        if len(self) > self._max_connections:
            self._close(self._find_longest_idle() or connection, "too many connections")

    def closed(self, connection: Connection) -> None:
        """Remove a connection."""
        self._open.pop(connection, None)
        self._trusted.pop(connection, None)
        self._set_held(connection, 0)
        connection.busy = False

    def received(self, connection: Connection, count: int) -> None:
        """Count received bytes; above the limit, close the connections that have held data for longest."""
        if connection not in self._open and connection not in self._trusted:
            return
        connection.latest = count
        if connection.busy:
            return
        self._set_held(connection, connection.held + count)
        while self.held > self._max_held:
            self._close(self._find_longest_holding(), "too much is held")

    def pipelined(self, connection: Connection) -> None:
        """Close a connection that sends requests faster than they are answered."""
        self._close(connection, "several requests at once")

    def verified(self, request: web.Request) -> None:
        """Mark a request as verified, so that its data no longer counts toward the limit."""
        connection = request.protocol
        if isinstance(connection, Connection) and (connection in self._open or connection in self._trusted):
            self._set_held(connection, 0)
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
        # The last read may already contain the start of the next request.
        self._set_held(connection, min(connection.held, connection.latest))

    def _set_held(self, connection: Connection, count: int) -> None:
        self.held += count - connection.held
        connection.held = count

    def _find_longest_idle(self) -> Connection | None:
        """Return the oldest idle connection: unverified ones first, then trusted ones."""
        return next(
            (
                connection
                for group in (self._open, self._trusted)
                for connection in group
                if not connection.busy
            ),
            None,
        )

    def _find_longest_holding(self) -> Connection:
        return next(
            connection for group in (self._open, self._trusted) for connection in group if connection.held
        )

    def _close(self, connection: Connection, reason: str) -> None:
        self._closed_since_log += 1
        now = asyncio.get_running_loop().time()
        if now >= self._next_log_at:
            log.warning("connections.given_up", reason=reason, count=self._closed_since_log, held=self.held)
            self._closed_since_log, self._next_log_at = 0, now + LOG_SECONDS
        self.closed(connection)
        connection.close_immediately()
