"""Bounds for connections of the bot's HTTP server: how many there are, and what they hold before a request is known.

Behind a proxy all requests come from one address, so nothing is counted by address. Nobody waits for a place either:
whoever comes is let in, and whoever has kept the server waiting longest makes room. A request of Slack's arrives
whole within milliseconds, so it is the newest of all; connections that only hold something are the oldest.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

import structlog
from aiohttp import web

log = structlog.get_logger()

# Half of the files that a process may usually have open.
MOST_CONNECTIONS = 512
# All bytes together that came on connections whose request is not known to be anybody's yet, heads and bodies. Slack's
# requests have a few kilobytes; twice the largest that there may be fits.
MOST_HELD_BYTES = 4 * 1024 * 1024
# Requests that wait on a connection while one is answered. Neither Slack nor a proxy sends any before it has the
# answer; the head of each takes some forty times the memory that its bytes do.
MOST_WAITING = 1
# What is read at once of a connection.
READ_BYTES = 16 * 1024
# Between two lines in the log about the same: a flood must not fill the log as well.
LOG_SECONDS = 10.0


class Connection(web.RequestHandler, asyncio.BufferedProtocol):
    """One connection. `held`: bytes that came since the last request on it was answered or verified.

    It is read into one buffer that all share: asyncio else takes 256 KiB for each piece, however small, and what is
    kept of it leaves the memory in tatters. `busy`: a request on it was verified, and is being answered. `trusted`: it
    has carried one that was verified.
    """

    def __init__(self, all_of_them: Connections, server: web.Server, **limits: Any) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **limits)
        self._all = all_of_them
        self.held = 0
        self.latest = 0
        self.busy = False
        self.trusted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        super().connection_made(transport)
        self._all.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count it no longer."""
        self._all.closed(self)
        super().connection_lost(exc)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next piece goes."""
        del sizehint
        return self._all.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take a piece from the buffer before anybody else gets it."""
        self.data_received(bytes(self._all.buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Count what came, and hang up on whoever sends request after request without hearing the answers."""
        self._all.received(self, len(data))
        super().data_received(data)
        if len(self._messages) > MOST_WAITING:
            while len(self._messages) > MOST_WAITING:
                self._messages.pop()  # others need the memory before this connection's task has ended
            self._all.pipelined(self)

    def give_up(self) -> None:
        """Hang up at once, whatever is still to be read or written."""
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()


class Connections:
    """All connections of a server; called for each new one, as asyncio's servers do."""

    def __init__(
        self,
        server: web.Server,
        *,
        most: int = MOST_CONNECTIONS,
        most_held: int = MOST_HELD_BYTES,
        **limits: Any,
    ) -> None:
        """`limits` are aiohttp's own for each connection."""
        self._server = server
        self._limits = limits
        self._most = most
        self._most_held = most_held
        # The one that has been idle or unknown for longest comes first.
        self._open: OrderedDict[Connection, None] = OrderedDict()
        self._trusted: OrderedDict[Connection, None] = OrderedDict()
        self.buffer = memoryview(bytearray(READ_BYTES))
        self._given_up = 0
        self._silent_until = 0.0
        self.held = 0

    def __call__(self) -> Connection:
        """Make a connection."""
        return Connection(self, self._server, **self._limits)

    def __len__(self) -> int:
        return len(self._open) + len(self._trusted)

    def opened(self, connection: Connection) -> None:
        """Let a connection in; another one makes room where there are too many."""
        self._open[connection] = None
        if len(self) > self._most:
            self._hang_up(self._longest_idle() or connection, "too many connections")

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._open.pop(connection, None)
        self._trusted.pop(connection, None)
        self._hold(connection, 0)
        connection.busy = False

    def received(self, connection: Connection, count: int) -> None:
        """Count what came on a connection; whoever has held something for longest makes room for it."""
        if connection not in self._open and connection not in self._trusted:
            return
        connection.latest = count
        if connection.busy:
            return
        self._hold(connection, connection.held + count)
        while self.held > self._most_held:
            self._hang_up(self._longest_holding(), "too much is held")

    def pipelined(self, connection: Connection) -> None:
        """Hang up on a connection that sends requests faster than they are answered."""
        self._hang_up(connection, "several requests at once")

    def verified(self, request: web.Request) -> None:
        """The request is known to be from whom it says: what it holds is no stranger's any more."""
        connection = request.protocol
        if isinstance(connection, Connection) and (connection in self._open or connection in self._trusted):
            self._hold(connection, 0)
            connection.busy = connection.trusted = True
            self._open.pop(connection, None)
            self._trusted[connection] = None

    def answered(self, request: web.Request) -> None:
        """A request was answered, or refused."""
        connection = request.protocol
        if not isinstance(connection, Connection):
            return
        among = self._trusted if connection.trusted else self._open
        if connection not in among:
            return
        connection.busy = False
        among.move_to_end(connection)
        # What came last may hold the beginning of the next request already.
        self._hold(connection, min(connection.held, connection.latest))

    def _hold(self, connection: Connection, count: int) -> None:
        self.held += count - connection.held
        connection.held = count

    def _longest_idle(self) -> Connection | None:
        """Whoever never was anybody known comes first, then whoever is not being answered."""
        return next((one for among in (self._open, self._trusted) for one in among if not one.busy), None)

    def _longest_holding(self) -> Connection:
        return next(one for among in (self._open, self._trusted) for one in among if one.held)

    def _hang_up(self, connection: Connection, reason: str) -> None:
        self._given_up += 1
        now = asyncio.get_running_loop().time()
        if now >= self._silent_until:
            log.warning("connections.given_up", reason=reason, count=self._given_up, held=self.held)
            self._given_up, self._silent_until = 0, now + LOG_SECONDS
        self.closed(connection)
        connection.give_up()
