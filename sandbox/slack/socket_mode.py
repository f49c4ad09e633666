"""Server side of Socket Mode: single-use addresses, up to ten connections, envelopes and acknowledgements."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

MAX_CONNECTIONS = 10


@dataclass(eq=False)
class SocketConnection:
    """A WebSocket connection of the app."""

    socket: web.WebSocketResponse
    transport: asyncio.Transport | None
    draining: bool = False


@dataclass
class SocketModeServer:
    """All connections of the app; each envelope goes to one of them."""

    connections: list[SocketConnection] = field(default_factory=list)
    tickets: set[str] = field(default_factory=set)
    opened: int = 0
    refused: int = 0
    refuse_handshakes: int = 0
    on_change: Callable[[], None] = lambda: None
    _waiting: dict[str, asyncio.Future[dict[str, Any]]] = field(default_factory=dict)
    _turn: itertools.count[int] = field(default_factory=itertools.count)
    _count_changed: asyncio.Event = field(default_factory=asyncio.Event)

    def new_ticket(self) -> str:
        """Return a ticket that opens one connection."""
        ticket = secrets.token_hex(16)
        self.tickets.add(ticket)
        return ticket

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve a connection from handshake to end."""
        ticket = request.query.get("ticket", "")
        if ticket not in self.tickets:
            return web.Response(status=408, text="ticket expired")
        self.tickets.discard(ticket)
        if self.refuse_handshakes > 0:
            self.refuse_handshakes -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse(heartbeat=20)
        await socket.prepare(request)
        connection = SocketConnection(socket, request.transport)
        if len(self.connections) >= MAX_CONNECTIONS:
            self.refused += 1
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await socket.close()
            return socket
        self.connections.append(connection)
        self.opened += 1
        self._count_changed.set()
        self.on_change()
        try:
            await socket.send_json(
                {
                    "type": "hello",
                    "num_connections": len(self.connections),
                    "debug_info": {"host": "sandbox", "approximate_connection_time": 18060},
                    "connection_info": {"app_id": "A0BUILDBELL"},
                }
            )
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    self._take_acknowledgement(message.data)
        finally:
            self.connections.remove(connection)
            self.on_change()
        return socket

    async def send(
        self, kind: str, payload: Any, *, retry: tuple[int, str] | None = None
    ) -> asyncio.Future[dict[str, Any]]:
        """Send an envelope over one of the connections; the future holds the payload of its acknowledgement.

        Raises ConnectionError without a connection.
        """
        open_ones = [
            connection
            for connection in self.connections
            if not connection.draining and not connection.socket.closed
        ]
        if not open_ones:
            raise ConnectionError("the app has no connection")
        envelope: dict[str, Any] = {
            "envelope_id": secrets.token_hex(16),
            "type": kind,
            "payload": payload,
            "accepts_response_payload": kind != "events_api",
        }
        if retry is not None:
            envelope |= {"retry_attempt": retry[0], "retry_reason": retry[1]}
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[envelope["envelope_id"]] = answer
        await open_ones[next(self._turn) % len(open_ones)].socket.send_json(envelope)
        return answer

    async def wait_for(self, connections: int, seconds: float) -> None:
        """Wait for this number of connections. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while len(self.connections) < connections:
                self._count_changed.clear()
                await self._count_changed.wait()

    async def wait_for_opened(self, times: int, seconds: float) -> None:
        """Wait until connections were opened this many times in total. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while self.opened < times:
                self._count_changed.clear()
                await self._count_changed.wait()

    async def disconnect(self, reason: str) -> None:
        """Ask the app to reconnect: `warning` in advance, or `refresh_requested` now."""
        for connection in list(self.connections):
            await connection.socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {}})
            connection.draining = reason != "warning"

    async def drop(self) -> None:
        """Break every connection without a close frame."""
        for connection in list(self.connections):
            if connection.transport is not None:
                connection.transport.abort()

    async def close(self) -> None:
        """Close all connections."""
        for connection in list(self.connections):
            await connection.socket.close()

    def _take_acknowledgement(self, text: str) -> None:
        try:
            content = json.loads(text)
        except ValueError:
            return
        answer = (
            self._waiting.pop(content.get("envelope_id", ""), None) if isinstance(content, dict) else None
        )
        if answer is not None and not answer.done():
            answer.set_result(content.get("payload") or {})
