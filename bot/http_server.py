"""The bot's own HTTP server: health, readiness, metrics, and in HTTP mode Slack's requests."""

from __future__ import annotations

import asyncio
import errno
import os
import re
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from aiohttp import hdrs, web
from pydantic import SecretStr
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.request.internals import parse_body
from slack_sdk.signature import Clock, SignatureVerifier

from bot.http_connections import LOG_SECONDS, READ_BYTES, Connections
from bot.slack.payload_validation import InvalidPayload, check_payload, ignored_event, log_ignored
from bot.slack.unavailable import answer_unavailable, needs_slack
from domain.constant_time import secrets_equal
from domain.nul import remove_nul
from domain.redaction.redactor import redact
from providers.bitrise.webhook import Webhook
from services.http_body import read_body
from services.slack.acknowledgement import acknowledging

log = structlog.get_logger()

# Slack's largest requests are modal submissions: a view of at most 250 kB (Slack's rules, "Modals") with what was
# filled in, as JSON, of which a form's encoding makes three bytes where it has a quotation mark. That stays below.
LARGEST_BODY = 2 * 1024 * 1024
# Nothing but Slack's requests and webhook calls has a body, and those are read piece by piece.
LARGEST_OTHER_BODY = 1024
# Slack's requests carry some fifteen headers, proxies add a few.
MOST_HEADERS = 100
LONGEST_HEADER = 8190
# All headers of a request together. aiohttp keeps the last request of a connection until the next one comes.
LARGEST_HEAD = 32 * 1024
# For a request to be answered once its head is there; Slack itself waits three seconds.
REQUEST_SECONDS = 30.0
# For the head of a request to come, and between two requests: longer than the minute after which most proxies close a
# connection, or one of their requests would meet a closed one.
IDLE_SECONDS = 75.0
DRAIN_SECONDS = 10.0
# What the system keeps of a connection until it is read.
RECEIVE_BYTES = 64 * 1024
# Requests that are older, or that far ahead, are none of Slack's any more (Slack's rules, "Verifying requests").
MOST_SKEW_SECONDS = 300
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_TIME = re.compile(r"[0-9]{1,12}")
_REASONS = {
    401: "no signature of Slack's form, or its time is more than five minutes from this machine's",
    411: "no Content-Length",
    413: "too large",
    415: "packed",
}

# What the system says of an address or a port that can't be had, and which setting that is.
_BLAMED = {
    errno.EADDRNOTAVAIL: "HOST: {host} is no address of this machine",
    errno.EADDRINUSE: "PORT: {port} is in use by another program",
    errno.EACCES: "PORT: {port} needs rights that the bot does not have; take one from 1024 on",
}

Readiness = Callable[[], Awaitable[tuple[bool, Mapping[str, Any]]]]
Reached = Callable[[], Awaitable[bool]]


async def _always() -> bool:
    return True


class CannotServe(Exception):
    """HOST or PORT can't be served on; the sentence says which, and why."""


async def listen(factory: Callable[[], asyncio.Protocol], host: str, port: int) -> asyncio.Server:
    """Take an address and a port, without serving there yet. Raises CannotServe."""
    try:
        return await asyncio.get_running_loop().create_server(factory, host, port, start_serving=False)
    except (socket.gaierror, UnicodeError) as problem:
        reason = problem.strerror if isinstance(problem, socket.gaierror) else "it is no name"
        raise CannotServe(f"HOST: {redact(host)} can't be served on ({reason}).") from problem
    except OSError as problem:
        said = _BLAMED.get(problem.errno or 0, "HOST and PORT: {host}:{port} can't be served on ({reason})")
        reason = os.strerror(problem.errno) if problem.errno else str(problem)
        raise CannotServe(f"{said.format(host=redact(host), port=port, reason=reason)}.") from problem


class HttpServer:
    """Serves until stopped; `port` is the one that the system picked where 0 was asked for."""

    def __init__(
        self,
        *,
        readiness: Readiness,
        metrics: Callable[[], Awaitable[bytes]],
        slack: AsyncApp | None,
        signing_secret: SecretStr | None = None,
        webhook: Webhook | None = None,
        metrics_token: SecretStr | None = None,
        add_routes: Callable[[web.Application], None] | None = None,
        slack_reached: Reached = _always,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`signing_secret` is Slack's. Without `metrics_token` everybody may read the metrics who can reach them.

        `slack_reached` answers whether Slack's Web API has been reached, without which no request can be handled.
        `now` is the time by which a request of Slack's is too old, in seconds.
        """
        self._readiness = readiness
        self._metrics = metrics
        self._measuring: asyncio.Task[bytes] | None = None
        self._slack = slack
        self._slack_reached = slack_reached
        self._verifier = None if signing_secret is None else _verifier_of(signing_secret, clock)
        self._now = clock
        self._metrics_token = metrics_token
        self._connections: Connections | None = None
        self._listener: asyncio.Server | None = None
        self._silent_until = 0.0
        app = web.Application(client_max_size=LARGEST_OTHER_BODY, middlewares=[self._accounted, _in_time])
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._count)
        if webhook is not None:
            app.router.add_post("/webhooks/bitrise", webhook.take)
        if add_routes is not None:
            add_routes(app)
        if slack is not None:
            app.router.add_post("/slack/events", self._from_slack)
        self._runner = web.AppRunner(app, shutdown_timeout=DRAIN_SECONDS)
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Begin to serve. Raises CannotServe."""
        await self._runner.setup()
        assert self._runner.server is not None  # noqa: S101 - setup has made it
        self._connections = Connections(
            self._runner.server,
            access_log=None,
            keepalive_timeout=IDLE_SECONDS,
            # What was refused is not read to its end, and nothing is unpacked: signatures are over what was sent.
            lingering_time=0,
            auto_decompress=False,
            read_bufsize=READ_BYTES,
            max_line_size=LONGEST_HEADER,
            max_field_size=LONGEST_HEADER,
            max_headers=MOST_HEADERS,
        )
        self._listener = await listen(self._connections, host, port)
        for one in self._listener.sockets:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
        await self._listener.start_serving()
        self.port = int(self._listener.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no new requests and finish those under way."""
        if self._listener is not None:
            self._listener.close()
        await self._runner.cleanup()

    async def _health(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, _request: web.Request) -> web.Response:
        ready, parts = await self._readiness()
        return web.json_response({"ready": ready, **parts}, status=200 if ready else 503)

    async def _count(self, request: web.Request) -> web.Response:
        if self._metrics_token is not None:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not secrets_equal(token.strip(), self._metrics_token):
                return web.Response(status=401, text="Unauthorized\n", headers={"WWW-Authenticate": "Bearer"})
        return web.Response(
            body=await self._measured(), headers={"Content-Type": "text/plain; version=0.0.4"}
        )

    async def _measured(self) -> bytes:
        """The metrics' page, made once for all who ask at the same time: it takes the database a moment."""
        if self._measuring is None or self._measuring.done():
            self._measuring = asyncio.create_task(self._measure())
        return await asyncio.shield(self._measuring)

    async def _measure(self) -> bytes:
        return await self._metrics()

    async def _from_slack(self, request: web.Request) -> web.Response:
        """Answer a request of Slack's; any other is refused by its head alone, or by its signature."""
        if self._slack is None or self._verifier is None or self._connections is None:
            raise web.HTTPNotFound
        if (status := _refused_by_head(request, self._now())) is not None:
            self._tell_of_refusal(status)
            return _refusal(status)
        if (body := await read_body(request, LARGEST_BODY)) is None:
            return _refusal(413)
        if not _is_signed(request, body, self._verifier):
            return _refusal(401)
        self._connections.verified(request)
        try:
            payload = parse_body(body.decode(), request.content_type)
            check_payload(payload)
        except (InvalidPayload, ValueError, LookupError, RecursionError) as problem:
            log.info(
                "slack.not_understood",
                reason=str(problem) if isinstance(problem, InvalidPayload) else "no text",
            )
            return _refusal(400)
        if (ignored := ignored_event(payload)) is not None:
            log_ignored(ignored, payload)
            return web.Response()
        if needs_slack(payload) and not await self._slack_reached():
            log.warning("slack.not_reached_yet", type=str(payload.get("type") or "command"))
            status, answer = answer_unavailable(payload)
            return web.json_response(answer, status=status) if answer else web.Response(status=status)
        # Always as UTF-8, which is what Slack signs: nothing outside of the signature decides what is read in it.
        asked = AsyncBoltRequest(
            body=body.decode(), query=request.query_string, headers=dict(request.headers)
        )
        remove_nul(asked.body)
        with acknowledging():
            response = await to_aiohttp_response(await self._slack.async_dispatch(asked))
            await response.prepare(request)
            await response.write_eof()
        return response

    def _tell_of_refusal(self, status: int) -> None:
        """Say in the log why, now and then: a wrong clock, or a proxy that drops the length, must be found."""
        now = asyncio.get_running_loop().time()
        if now >= self._silent_until:
            self._silent_until = now + LOG_SECONDS
            log.warning("slack.refused", status=status, reason=_REASONS[status])

    @web.middleware
    async def _accounted(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Refuse too large a head, and let the connection's bounds know when a request is done with."""
        try:
            if sum(len(name) + len(value) for name, value in request.raw_headers) > LARGEST_HEAD:
                refusal = web.Response(status=431, text="Too large\n")
                refusal.force_close()
                return refusal
            return await handler(request)
        finally:
            if self._connections is not None:
                self._connections.answered(request)


def _verifier_of(secret: SecretStr, now: Callable[[], float]) -> SignatureVerifier:
    class OurClock(Clock):
        def now(self) -> float:
            return now()

    return SignatureVerifier(secret.get_secret_value(), OurClock())


def _refused_by_head(request: web.Request, now: float) -> int | None:
    """The status by which a request is refused that can't be Slack's, before anything of its body is read."""
    headers = request.headers
    at = headers.get("X-Slack-Request-Timestamp", "")
    if not (_SIGNATURE.fullmatch(headers.get("X-Slack-Signature", "")) and _TIME.fullmatch(at)):
        return 401
    if abs(now - int(at)) > MOST_SKEW_SECONDS:
        return 401
    if request.content_length is None or hdrs.TRANSFER_ENCODING in headers:
        return 411
    if request.content_length > LARGEST_BODY:
        return 413
    # Slack packs nothing, and its signature is over what was sent.
    return 415 if hdrs.CONTENT_ENCODING in headers else None


def _refusal(status: int) -> web.Response:
    return web.json_response({"error": "invalid request"}, status=status)


def _is_signed(request: web.Request, body: bytes, verifier: SignatureVerifier) -> bool:
    """Whether it comes from Slack: looked at before anything is read of it, which Bolt does too late for that.

    slack_sdk compares in constant time, but breaks where the body is no text.
    """
    headers = request.headers
    try:
        return verifier.is_valid(body, headers["X-Slack-Request-Timestamp"], headers["X-Slack-Signature"])
    except UnicodeDecodeError:
        return False  # Slack signs text


@web.middleware
async def _in_time(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Give up requests that never come whole."""
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            return await handler(request)
    except TimeoutError:
        log.warning("request.too_slow", path=request.path)
        response = web.Response(status=408, text="Too slow\n")
        response.force_close()
        return response
    except ConnectionResetError as cut_off:
        if request.transport is not None and not request.transport.is_closing():
            raise
        # aiohttp keeps the error with the body, and its traceback keeps both until the garbage is collected.
        cut_off.__traceback__ = None
        # Whoever hangs up in the midst of it is nothing that broke here.
        log.info("request.cut_off", path=request.path)
        return web.Response(status=400)
