"""HTTP server of the bot: health, readiness, metrics, and in HTTP mode Slack's requests."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog
from aiohttp import hdrs, web
from pydantic import SecretStr
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.internals import parse_body
from slack_bolt.response import BoltResponse
from slack_sdk.signature import Clock, SignatureVerifier

from bot.http_connections import LOG_SECONDS, READ_BYTES, Connections
from bot.slack.bolt_app import bolt_request
from bot.slack.connection import answer_unavailable
from bot.slack.payload_validation import InvalidPayload, log_ignored, parse_payload
from domain.credentials import secrets_equal
from domain.redaction.redactor import redact
from services.http_body import read_body
from services.request.request_tracker import track_acknowledgement
from services.slack.payloads import IgnoredEvent, UrlCheck

log = structlog.get_logger()

# Slack's largest requests are modal submissions: a view of at most 250 kB (Slack's rules, "Modals") with its input, as
# JSON, in which form encoding turns each quotation mark into three bytes. They stay below this limit.
MAX_BODY_BYTES = 2 * 1024 * 1024
# Slack's requests and webhook calls are read in chunks with limits of their own; no other request needs a body.
MAX_OTHER_BODY_BYTES = 1024
# Slack's requests have about fifteen headers, proxies add a few.
MAX_HEADERS = 100
MAX_HEADER_BYTES = 8190
# All headers of a request together. aiohttp stores the last request of a connection until the next one arrives.
MAX_HEADERS_BYTES = 32 * 1024
# Time for a response after the headers have arrived; Slack itself waits three seconds.
REQUEST_SECONDS = 30.0
# Time for the headers to arrive, and between two requests: longer than the minute after which most proxies close a
# connection, so that they never send a request on a closed one.
IDLE_SECONDS = 75.0
DRAIN_SECONDS = 10.0
# Receive buffer of the system per connection.
RECEIVE_BYTES = 64 * 1024
# Requests that are older, or further in the future, are rejected (Slack's rules, "Verifying requests").
MAX_SKEW_SECONDS = 300
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_REJECTION_REASONS = {
    401: "no valid Slack signature, or its time differs from this machine's by more than five minutes",
    411: "no Content-Length",
    413: "too large",
    415: "compressed",
}

# Errors of the system for an unusable address or port, with the setting to change.
_BIND_ERRORS = {
    errno.EADDRNOTAVAIL: "HOST: {host} is not an address of this machine",
    errno.EADDRINUSE: "PORT: {port} is in use by another program",
    errno.EACCES: "PORT: {port} needs privileges that the bot does not have; use 1024 or higher",
}

Readiness = Callable[[], Awaitable[tuple[bool, Mapping[str, Any]]]]
Reached = Callable[[], Awaitable[bool]]


async def _always_true() -> bool:
    return True


class CannotServe(Exception):
    """HOST or PORT can't be used; the message says which, and why."""


async def listen(factory: Callable[[], asyncio.Protocol], host: str, port: int) -> asyncio.Server:
    """Bind an address and a port without accepting connections yet. Raises CannotServe."""
    try:
        return await asyncio.get_running_loop().create_server(factory, host, port, start_serving=False)
    except (socket.gaierror, UnicodeError) as problem:
        reason = problem.strerror if isinstance(problem, socket.gaierror) else "it is not a host name"
        raise CannotServe(f"HOST: {redact(host)} can't be used ({reason}).") from problem
    except OSError as problem:
        template = _BIND_ERRORS.get(
            problem.errno or 0, "HOST and PORT: {host}:{port} can't be used ({reason})"
        )
        reason = os.strerror(problem.errno) if problem.errno else str(problem)
        raise CannotServe(f"{template.format(host=redact(host), port=port, reason=reason)}.") from problem


class HttpServer:
    """HTTP server that runs until stopped; `port` is the actual port if 0 was requested."""

    def __init__(
        self,
        *,
        readiness: Readiness,
        metrics: Callable[[], Awaitable[bytes]],
        slack: AsyncApp | None,
        signing_secret: SecretStr | None = None,
        metrics_token: SecretStr | None = None,
        add_routes: Sequence[Callable[[web.Application], None]] = (),
        slack_reached: Reached = _always_true,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take Slack's `signing_secret`; without `metrics_token`, anyone who can reach the server may read the metrics.

        `slack_reached` returns whether Slack's Web API has been reached; without it no request can be handled.
        `clock` returns the current time in seconds, for the age of Slack's requests.
        """
        self._readiness = readiness
        self._metrics = metrics
        self._metrics_task: asyncio.Task[bytes] | None = None
        self._slack = slack
        self._slack_reached = slack_reached
        self._verifier = None if signing_secret is None else _make_verifier(signing_secret, clock)
        self._clock = clock
        self._metrics_token = metrics_token
        self._connections: Connections | None = None
        self._listener: asyncio.Server | None = None
        self._next_log_at = 0.0
        app = web.Application(
            client_max_size=MAX_OTHER_BODY_BYTES, middlewares=[self._track_request, _limit_time]
        )
        app.router.add_get("/healthz", self._show_health)
        app.router.add_get("/readyz", self._show_readiness)
        app.router.add_get("/metrics", self._show_metrics)
        for add in add_routes:
            add(app)
        if slack is not None:
            app.router.add_post("/slack/events", self._handle_slack)
        self._runner = web.AppRunner(app, shutdown_timeout=DRAIN_SECONDS)
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Start to accept connections. Raises CannotServe."""
        await self._runner.setup()
        assert self._runner.server is not None  # noqa: S101 - created by setup
        self._connections = Connections(
            self._runner.server,
            access_log=None,
            keepalive_timeout=IDLE_SECONDS,
            # Rejected bodies are not read to their end, and nothing is decompressed: signatures cover what was sent.
            lingering_time=0,
            auto_decompress=False,
            read_bufsize=READ_BYTES,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
        )
        self._listener = await listen(self._connections, host, port)
        for listening_socket in self._listener.sockets:
            listening_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        await self._listener.start_serving()
        self.port = int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Accept no new requests and finish those in progress; nothing happens the second time."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            await self._runner.cleanup()

    async def _show_health(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _show_readiness(self, _request: web.Request) -> web.Response:
        ready, details = await self._readiness()
        return web.json_response({"ready": ready, **details}, status=200 if ready else 503)

    async def _show_metrics(self, request: web.Request) -> web.Response:
        if self._metrics_token is not None:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not secrets_equal(token.strip(), self._metrics_token):
                return web.Response(status=401, text="Unauthorized\n", headers={"WWW-Authenticate": "Bearer"})
        return web.Response(
            body=await self._get_shared_metrics(), headers={"Content-Type": "text/plain; version=0.0.4"}
        )

    async def _get_shared_metrics(self) -> bytes:
        """Return the metrics, rendered once for simultaneous requests because it needs the database."""
        if self._metrics_task is None or self._metrics_task.done():
            self._metrics_task = asyncio.create_task(self._render_metrics())
        return await asyncio.shield(self._metrics_task)

    async def _render_metrics(self) -> bytes:
        return await self._metrics()

    async def _handle_slack(self, request: web.Request) -> web.Response:
        """Handle a request from Slack; reject requests with invalid headers, signature or payload."""
        if self._slack is None or self._verifier is None or self._connections is None:
            raise web.HTTPNotFound
        if (status := _check_headers(request, self._clock())) is not None:
            self._log_rejection(status)
            return _make_refusal(status)
        if (body := await read_body(request, MAX_BODY_BYTES)) is None:
            return _make_refusal(413)
        if not _is_signed(request, body, self._verifier):
            return _make_refusal(401)
        self._connections.verified(request)
        try:
            # Always decode as UTF-8, which is what Slack signs: no unsigned header may change how the body is read.
            fields = parse_body(body.decode(), request.content_type)
            payload = parse_payload(fields)
        except (InvalidPayload, ValueError, LookupError, RecursionError) as problem:
            log.info(
                "slack.not_understood",
                reason=str(problem) if isinstance(problem, InvalidPayload) else "no text",
            )
            return _make_refusal(400)
        if isinstance(payload, IgnoredEvent):
            log_ignored(payload)
            return web.Response()
        if not isinstance(payload, UrlCheck) and not await self._slack_reached():
            log.warning("slack.not_reached_yet", type=payload.kind)
            status, reply = answer_unavailable(payload)
            return web.json_response(reply, status=status) if reply else web.Response(status=status)
        with track_acknowledgement():
            response = _to_response(await self._slack.async_dispatch(bolt_request(fields, payload)))
            await response.prepare(request)
            await response.write_eof()
        return response

    def _log_rejection(self, status: int) -> None:
        """Log the reason at most every LOG_SECONDS; it may be a wrong clock, or a proxy that drops Content-Length."""
        now = asyncio.get_running_loop().time()
        if now >= self._next_log_at:
            self._next_log_at = now + LOG_SECONDS
            log.warning("slack.refused", status=status, reason=_REJECTION_REASONS[status])

    @web.middleware
    async def _track_request(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Reject headers that are too large, and tell Connections when a request is finished."""
        try:
            if sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEADERS_BYTES:
                refusal = web.Response(status=431, text="Too large\n")
                refusal.force_close()
                return refusal
            return await handler(request)
        finally:
            if self._connections is not None:
                self._connections.answered(request)


def _make_verifier(secret: SecretStr, clock: Callable[[], float]) -> SignatureVerifier:
    class VerifierClock(Clock):
        def now(self) -> float:
            return clock()

    return SignatureVerifier(secret.get_secret_value(), VerifierClock())


def _check_headers(request: web.Request, now: float) -> int | None:
    """Return the error status of a request whose headers can't be from Slack, before its body is read; else None."""
    headers = request.headers
    timestamp = headers.get("X-Slack-Request-Timestamp", "")
    if not (_SIGNATURE.fullmatch(headers.get("X-Slack-Signature", "")) and _TIMESTAMP.fullmatch(timestamp)):
        return 401
    if abs(now - int(timestamp)) > MAX_SKEW_SECONDS:
        return 401
    if request.content_length is None or hdrs.TRANSFER_ENCODING in headers:
        return 411
    if request.content_length > MAX_BODY_BYTES:
        return 413
    # Slack compresses nothing, and its signature covers what was sent.
    return 415 if hdrs.CONTENT_ENCODING in headers else None


def _to_response(answer: BoltResponse) -> web.Response:
    """Convert a response of Bolt. Bolt's own adapter also converts cookies, which the bot has none of."""
    return web.Response(status=answer.status, body=answer.body.encode(), headers=answer.first_headers())


def _make_refusal(status: int) -> web.Response:
    return web.json_response({"error": "invalid request"}, status=status)


def _is_signed(request: web.Request, body: bytes, verifier: SignatureVerifier) -> bool:
    """Return whether Slack signed the request. Unlike Bolt's check, this runs before the body is parsed.

    slack_sdk compares in constant time, but fails if the body is not UTF-8.
    """
    headers = request.headers
    try:
        return verifier.is_valid(body, headers["X-Slack-Request-Timestamp"], headers["X-Slack-Signature"])
    except UnicodeDecodeError:
        return False  # Slack only signs text


@web.middleware
async def _limit_time(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer 408 to requests that take too long, such as those whose body never arrives completely."""
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            return await handler(request)
    except TimeoutError:
        log.warning("request.too_slow", path=request.path)
        response = web.Response(status=408, text="Too slow\n")
        response.force_close()
        return response
    except ConnectionResetError as error:
        if request.transport is not None and not request.transport.is_closing():
            raise
        # aiohttp stores the error with the body; its traceback would keep both in memory until garbage collection.
        error.__traceback__ = None
        # A client that disconnects during a request is not an error of ours.
        log.info("request.cut_off", path=request.path)
        return web.Response(status=400)
