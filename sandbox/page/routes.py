"""Routes of the page: static files, emoji names and the event stream."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from pathlib import Path

import emoji
from aiohttp import web

from sandbox.environment import SandboxEnvironment
from sandbox.page.change_feed import ChangeFeed
from sandbox.slack.models import TEAM

STATIC = Path(__file__).parent / "static"
# Everything on the page comes from this server, except the images of messages.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: https: http:; style-src 'self' 'unsafe-inline'"
)
# Changes within this time are sent together.
BATCH_SECONDS = 0.05


def add_page(app: web.Application, environment: SandboxEnvironment) -> None:
    """Add the page at `/` to an application."""

    async def index(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(
            STATIC / "index.html", headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY}
        )

    async def names(_: web.Request) -> web.Response:
        return web.Response(text=emoji_names(), content_type="application/json")

    async def live(request: web.Request) -> web.StreamResponse:
        driver = environment.slack.workspaces.get(request.query.get("team") or TEAM)
        if driver is None:
            return web.Response(status=404)
        workspace = driver.workspace
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        feed = ChangeFeed(environment, workspace.team)
        try:
            while True:
                if (changes := feed.next()) is not None:
                    await response.write(f"data: {json.dumps(changes)}\n\n".encode())
                await workspace.wait_for_change()
                await asyncio.sleep(BATCH_SECONDS)
        except (ConnectionError, asyncio.CancelledError):
            return response

    app.router.add_get("/", index)
    app.router.add_get("/emoji.json", names)
    app.router.add_get("/live", live)
    app.router.add_static("/static", STATIC)


@cache
def emoji_names() -> str:
    """Return all emoji by name, as JSON."""
    found = {}
    for character, data in emoji.EMOJI_DATA.items():
        for name in (data["en"], *data.get("alias", ())):
            found[name.strip(":").lower()] = character
    return json.dumps(found, ensure_ascii=False)
