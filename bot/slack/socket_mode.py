"""Socket Mode with two connections, which recover from refreshes, disconnections and failed handshakes."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.adapter.socket_mode.async_internals import send_async_response
from slack_bolt.app.async_app import AsyncApp
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


class _Handler(AsyncSocketModeHandler):
    """Bolt's handler; it ignores requests during shutdown: Slack sends them again, or shows an error."""

    def __init__(self, app: AsyncApp, app_token: str, *, ping_seconds: float) -> None:
        super().__init__(app, app_token, ping_interval=ping_seconds)
        self.draining = False

    async def handle(self, client: Any, req: SocketModeRequest) -> None:
        """Pass an envelope to Bolt if its payload is valid and its event has a listener."""
        if self.draining:
            return
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
        return sum([await handler.client.is_connected() for handler in self._handlers])

    def stop_accepting(self) -> None:
        """Accept no new requests; accepted ones can still be acknowledged."""
        for handler in self._handlers:
            handler.draining = True

    async def close(self) -> None:
        """Close the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for handler in self._handlers:
            await handler.close_async()  # type: ignore[no-untyped-call]

    async def _watch_connection(self, handler: _Handler) -> None:
        """Request a new address for a client that can't connect.

        After a failed handshake the SDK (3.47) retries the same single-use address forever; without an address it
        requests a new one.
        """
        max_downtime = 3 * self._ping_seconds
        down_since: float | None = None
        while True:
            await asyncio.sleep(self._ping_seconds)
            if await handler.client.is_connected():
                down_since = None
            elif down_since is None:
                down_since = time.monotonic()
            elif time.monotonic() - down_since >= max_downtime:
                log.warning("socket.new_address", down_seconds=round(time.monotonic() - down_since))
                handler.client.wss_uri = None
                down_since = time.monotonic()


async def _connect(handler: _Handler) -> None:
    await handler.connect_async()  # type: ignore[no-untyped-call]
