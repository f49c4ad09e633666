"""The bot's own HTTP server: health, readiness, metrics, and in HTTP mode Slack's requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.app.async_app import AsyncApp

from bot.webhook import Webhook

# Slack's largest requests are modal submissions, whose view is at most 250 kB (Slack's rules, "Modals").
LARGEST_BODY = 2 * 1024 * 1024
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
        webhook: Webhook | None = None,
        more: Callable[[web.Application], None] | None = None,
    ) -> None:
        self._readiness = readiness
        self._metrics = metrics
        self._slack = slack
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_get("/healthz", self._health)
        app.router.add_get("/readyz", self._ready)
        app.router.add_get("/metrics", self._count)
        if webhook is not None:
            app.router.add_post("/webhooks/bitrise", webhook.take)
        if more is not None:
            more(app)
        if slack is not None:
            app.router.add_post("/slack/events", self._from_slack)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_SECONDS)
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

    async def _count(self, _request: web.Request) -> web.Response:
        return web.Response(body=await self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _from_slack(self, request: web.Request) -> web.Response:
        if self._slack is None:
            raise web.HTTPNotFound
        if not request.headers.get("X-Slack-Signature", "").isascii():
            raise web.HTTPUnauthorized  # slack_sdk compares it as text, which breaks where it is none
        response = await self._slack.async_dispatch(await to_bolt_request(request))
        return await to_aiohttp_response(response)
