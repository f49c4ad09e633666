"""What the page is served: its files, the names of emoji, and a stream of what changes."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from pathlib import Path

import emoji
from aiohttp import web

from sandbox.environment import SandboxEnvironment
from sandbox.page.change_feed import ChangeFeed
from sandbox.slack.workspace import TEAM

STATIC = Path(__file__).parent / "static"
# Nothing on the page comes from anywhere but here; a message's pictures may.
POLICY = "default-src 'self'; img-src 'self' data: https: http:; style-src 'self' 'unsafe-inline'"
# Changes that come together are sent together.
GATHER_SECONDS = 0.05


def add_page(app: web.Application, stage: SandboxEnvironment) -> None:
    """Make the app serve the page at `/`."""

    async def index(_: web.Request) -> web.StreamResponse:
        return web.FileResponse(STATIC / "index.html", headers={"Content-Security-Policy": POLICY})

    async def names(_: web.Request) -> web.Response:
        return web.Response(text=emoji_names(), content_type="application/json")

    async def live(request: web.Request) -> web.StreamResponse:
        stays = stage.slack.workplaces.get(request.query.get("team") or TEAM)
        if stays is None:
            return web.Response(status=404)
        workspace = stays.workspace
        response = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        )
        await response.prepare(request)
        feed = ChangeFeed(stage, workspace.team)
        try:
            while True:
                if (news := feed.next()) is not None:
                    await response.write(f"data: {json.dumps(news)}\n\n".encode())
                await workspace.next_change()
                await asyncio.sleep(GATHER_SECONDS)
        except (ConnectionError, asyncio.CancelledError):
            return response

    app.router.add_get("/", index)
    app.router.add_get("/emoji.json", names)
    app.router.add_get("/live", live)
    app.router.add_static("/static", STATIC)


@cache
def emoji_names() -> str:
    """Every emoji by each of its names, as JSON."""
    found = {}
    for character, data in emoji.EMOJI_DATA.items():
        for name in (data["en"], *data.get("alias", ())):
            found[name.strip(":").lower()] = character
    return json.dumps(found, ensure_ascii=False)
