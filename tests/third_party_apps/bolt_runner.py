"""Run a Bolt app against the simulated Slack, over either transport."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.slack.server import APP_TOKEN, BOT_TOKEN, SIGNING_SECRET, SlackSimulator


@asynccontextmanager
async def bolt_app(slack: SlackSimulator) -> AsyncIterator[AsyncApp]:
    """Return an empty Bolt app, configured only with its tokens and Slack's address."""
    async with aiohttp.ClientSession() as session:
        client = AsyncWebClient(BOT_TOKEN, base_url=slack.api_url, session=session)
        yield AsyncApp(client=client, signing_secret=SIGNING_SECRET)


@asynccontextmanager
async def run_bolt_app(app: AsyncApp, slack: SlackSimulator, line: str) -> AsyncIterator[None]:
    """Run the app in Socket Mode (`socket`) or over HTTP (`http`)."""
    if line == "socket":
        handler = AsyncSocketModeHandler(app, APP_TOKEN)
        await handler.connect_async()  # type: ignore[no-untyped-call]
        try:
            yield
        finally:
            await handler.close_async()  # type: ignore[no-untyped-call]
        return
    runner = web.AppRunner(app.web_app("/slack/events"), shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slack.use_http(f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events")
    try:
        yield
    finally:
        await runner.cleanup()
