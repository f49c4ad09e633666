"""The bot's own HTTP server: health, readiness, metrics, and in HTTP mode Slack's requests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
from aiohttp import web
from pydantic import SecretStr
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.request.internals import parse_body
from slack_sdk.signature import SignatureVerifier

from bot.secrecy import knows
from bot.slack import Malformed, check_payload
from bot.webhook import Webhook

log = structlog.get_logger()

# Slack's largest requests are modal submissions, whose view is at most 250 kB (Slack's rules, "Modals").
LARGEST_BODY = 2 * 1024 * 1024
# Slack's requests carry some fifteen headers, proxies add a few.
MOST_HEADERS = 100
LONGEST_HEADER = 8190
# For a request to come whole and be answered; Slack itself waits three seconds.
REQUEST_SECONDS = 30.0
# For the head of a request to come, and between two requests: longer than the minute after which most proxies close a
# connection, or one of their requests would meet a closed one.
IDLE_SECONDS = 75.0
# For the rest of a body that nobody wants, so that its sender hears why.
LINGER_SECONDS = 2.0
DRAIN_SECONDS = 10.0

Readiness = Callable[[], Awaitable[tuple[bool, Mapping[str, Any]]]]


class Server:
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
        more: Callable[[web.Application], None] | None = None,
    ) -> None:
        """`signing_secret` is Slack's. Without `metrics_token` everybody may read the metrics who can reach them."""
        self._readiness = readiness
        self._metrics = metrics
        self._slack = slack
        self._signing_secret = signing_secret
        self._metrics_token = metrics_token
        app = web.Application(client_max_size=LARGEST_BODY, middlewares=[_in_time])
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._count)
        if webhook is not None:
            app.router.add_post("/webhooks/bitrise", webhook.take)
        if more is not None:
            more(app)
        if slack is not None:
            app.router.add_post("/slack/events", self._from_slack)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=DRAIN_SECONDS,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            max_line_size=LONGEST_HEADER,
            max_field_size=LONGEST_HEADER,
            max_headers=MOST_HEADERS,
        )
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Begin to serve. Raises OSError where the port is taken."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Take no new requests and finish those under way."""
        await self._runner.cleanup()

    async def _health(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _ready(self, _request: web.Request) -> web.Response:
        ready, parts = await self._readiness()
        return web.json_response({"ready": ready, **parts}, status=200 if ready else 503)

    async def _count(self, request: web.Request) -> web.Response:
        if self._metrics_token is not None:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not knows(token.strip(), self._metrics_token):
                return web.Response(status=401, text="Unauthorized\n", headers={"WWW-Authenticate": "Bearer"})
        return web.Response(body=await self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _from_slack(self, request: web.Request) -> web.Response:
        if self._slack is None or self._signing_secret is None:
            raise web.HTTPNotFound
        if not _is_signed(request, await request.read(), self._signing_secret):
            return web.json_response({"error": "invalid request"}, status=401)
        try:
            asked = await _read(request)
        except (Malformed, ValueError, LookupError, RecursionError) as problem:
            log.info(
                "slack.not_understood", reason=str(problem) if isinstance(problem, Malformed) else "no text"
            )
            return web.json_response({"error": "invalid request"}, status=400)
        return await to_aiohttp_response(await self._slack.async_dispatch(asked))


async def _read(request: web.Request) -> AsyncBoltRequest:
    """The request as Bolt reads it. Raises Malformed, ValueError, LookupError or RecursionError."""
    check_payload(parse_body(await request.text(), request.content_type))
    return await to_bolt_request(request)


def _is_signed(request: web.Request, body: bytes, secret: SecretStr) -> bool:
    """Whether it comes from Slack: looked at before anything is read of it, which Bolt does too late for that.

    slack_sdk compares in constant time, but breaks where the signature is no ASCII, the time
    no number, or the body no text.
    """
    signature = request.headers.get("X-Slack-Signature", "")
    at = request.headers.get("X-Slack-Request-Timestamp", "")
    if not (signature.isascii() and at.isascii() and at.isdigit() and len(at) < 20):
        return False
    try:
        return SignatureVerifier(secret.get_secret_value()).is_valid(body, at, signature)
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
    except ConnectionResetError:
        if request.transport is not None and not request.transport.is_closing():
            raise
        # Whoever hangs up in the midst of it is nothing that broke here.
        log.info("request.cut_off", path=request.path)
        return web.Response(status=400)
