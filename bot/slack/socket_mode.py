"""Socket Mode with two connections, which recover from refreshes, disconnections, failed handshakes and refusals."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from typing import Any

import structlog
from slack_bolt.adapter.socket_mode.async_base_handler import AsyncBaseSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse

from bot.slack.bolt_app import bolt_request
from bot.slack.payload_validation import InvalidPayload, log_ignored, parse_payload
from services.request.request_tracker import track_acknowledgement
from services.slack.payloads import IgnoredEvent

log = structlog.get_logger()

# The SDK closes a connection before it opens the next one, even if Slack only warns; with two, one is always open.
CONNECTIONS = 2
PING_SECONDS = 5.0
# Slack allows so many connections of an app at the same time, of all its processes together ("Using Socket Mode").
MAX_CONNECTIONS = 10
# A connection that was refused because there are that many is tried again after so many times PING_SECONDS.
REFUSED_PINGS = 6


class _Client(SocketModeClient):
    """The SDK's client; it waits before it connects again if the app has too many connections.

    `welcomed` is set while the connection is one that Slack has accepted with `hello`.
    """

    def __init__(self, app: AsyncApp, app_token: str, *, ping_seconds: float) -> None:
        super().__init__(app_token, app.logger, app.client, ping_interval=ping_seconds)
        self.welcomed = asyncio.Event()
        self._refused_seconds = REFUSED_PINGS * ping_seconds
        self._not_before = 0.0

    @property
    def is_refused(self) -> bool:
        """Whether the last connection was refused, and the next one is to be tried later."""
        return time.monotonic() < self._not_before

    async def enqueue_message(self, message: str) -> None:
        """Pass on a message, unless Slack says with it that there are too many connections."""
        # What Slack says of the connection itself is short.
        notice: Any = None
        if len(message) < 1000:
            with suppress(ValueError):
                notice = json.loads(message)
        kind, reason = (notice.get("type"), notice.get("reason")) if isinstance(notice, dict) else ("", "")
        if kind == "hello":
            self.welcomed.set()
        elif (kind, reason) == ("disconnect", "too_many_websockets"):
            # The SDK would connect again at once, and again.
            self._not_before = time.monotonic() + self._refused_seconds
            log.warning(
                "socket.too_many",
                limit=MAX_CONNECTIONS,
                again_in_seconds=self._refused_seconds,
                cure=f"let at most {MAX_CONNECTIONS // CONNECTIONS} processes use SLACK_APP_TOKEN (docs/scaling.md)",
            )
            if self.current_session is not None:
                await self.current_session.close()
            return
        await super().enqueue_message(message)

    async def connect_to_new_endpoint(self, force: bool = False) -> None:
        """Connect again; later after a refusal."""
        await asyncio.sleep(max(self._not_before - time.monotonic(), 0))
        await super().connect_to_new_endpoint(force)

    async def connect(self) -> None:
        """Connect."""
        self.welcomed.clear()
        await super().connect()  # type: ignore[no-untyped-call]


class _Handler(AsyncBaseSocketModeHandler):
    """Passes requests to Bolt; it ignores those during shutdown: Slack sends them again, or shows an error."""

    client: _Client

    def __init__(self, app: AsyncApp, app_token: str, *, ping_seconds: float) -> None:
        self.app: AsyncApp = app
        self.client = _Client(app, app_token, ping_seconds=ping_seconds)
        self.client.socket_mode_request_listeners.append(self.handle)
        self.draining = False
        self._handling = 0
        self._idle = asyncio.Event()

    async def handle(self, client: Any, req: SocketModeRequest) -> None:
        """Pass an envelope to Bolt if its payload is valid and its event has a listener."""
        if self.draining:
            return
        self._handling += 1
        try:
            await self._acknowledge(client, req)
        finally:
            self._handling -= 1
            self._note_idle()

    async def drain(self) -> None:
        """Close the connection once everything that was accepted is acknowledged."""
        self._note_idle()
        await self._idle.wait()
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self.client.close()  # type: ignore[no-untyped-call]

    async def is_connected(self) -> bool:
        """Return whether Slack has accepted the connection, and it is still open."""
        return self.client.welcomed.is_set() and await self.client.is_connected()

    def _note_idle(self) -> None:
        if self.draining and not self._handling:
            self._idle.set()

    async def _acknowledge(self, client: Any, req: SocketModeRequest) -> None:
        try:
            payload = parse_payload(req.payload)
        except InvalidPayload as problem:
            log.info("slack.not_understood", reason=str(problem))
            return
        if isinstance(payload, IgnoredEvent):
            log_ignored(payload)
            await client.send_socket_mode_response(SocketModeResponse(envelope_id=req.envelope_id))
            return
        with track_acknowledgement():
            response = await self.app.async_dispatch(bolt_request(req.payload, payload))
            await send_async_response(client, req, response, time.time())


class SocketModeConnections:
    """Socket Mode connections of the bot."""

    def __init__(
        self, app: AsyncApp, app_token: str, *, first_address: str, ping_seconds: float = PING_SECONDS
    ) -> None:
        """Use `first_address` for the first connection; the others request their own address."""
        self._first_address = first_address
        self._app = app
        self._app_token = app_token
        self._ping_seconds = ping_seconds
        self._handlers: list[_Handler] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Connect without a time limit; return when the first connection is open."""
        self._handlers = [
            _Handler(self._app, self._app_token, ping_seconds=self._ping_seconds) for _ in range(CONNECTIONS)
        ]
        self._handlers[0].client.wss_uri = self._first_address
        connect_tasks = [asyncio.create_task(_connect(handler)) for handler in self._handlers]
        watch_tasks = [asyncio.create_task(self._watch_connection(handler)) for handler in self._handlers]
        self._tasks = connect_tasks + watch_tasks
        await asyncio.wait(connect_tasks, return_when=asyncio.FIRST_COMPLETED)

    async def connected(self) -> int:
        """Return the number of open connections."""
        return sum([await handler.is_connected() for handler in self._handlers])

    def stop_accepting(self) -> None:
        """Accept no new requests, and leave them to other bots as soon as the accepted ones are acknowledged."""
        for task in self._tasks:
            task.cancel()
        for handler in self._handlers:
            handler.draining = True
        self._tasks += [asyncio.create_task(handler.drain()) for handler in self._handlers]

    async def close(self) -> None:
        """Close the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for handler in self._handlers:
            await handler.close()

    async def _watch_connection(self, handler: _Handler) -> None:
        """Request a new address for a client that can't connect.

        After a failed handshake the SDK (3.47) retries the same single-use address forever; without an address it
        requests a new one.
        """
        max_downtime = 3 * self._ping_seconds
        down_since: float | None = None
        while True:
            await asyncio.sleep(self._ping_seconds)
            if handler.client.is_refused or await handler.is_connected():
                down_since = None
            elif down_since is None:
                down_since = time.monotonic()
            elif time.monotonic() - down_since >= max_downtime:
                log.warning("socket.new_address", down_seconds=round(time.monotonic() - down_since))
                handler.client.wss_uri = None
                down_since = time.monotonic()


async def _connect(handler: _Handler) -> None:
    await handler.client.connect()
    await handler.client.welcomed.wait()
