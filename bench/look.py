"""A look at a provider whose answer has not changed, against the bare HTTP request."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web
from pydantic import SecretStr

from bench.figure import Figure, side_by_side
from bench.pages import farm_of, page
from bot.bitrise import Bitrise
from bot.build import App
from bot.http import Http
from bot.terms import Terms
from bot.watch import Look, compare, match, read_baseline
from storage import Database, Recorder, Storage

TIMES = 500


async def measure() -> list[Figure]:
    farm, apps = farm_of(50)
    body = page(farm)

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    server = web.Application()
    server.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(server, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v0.1"
    with tempfile.TemporaryDirectory() as folder:
        database = await Database.open(Path(folder) / "b.db")
        storage = Storage(database)
        async with Http() as http:
            bitrise = Bitrise(http, token=SecretStr("t"), base_url=url, clock=lambda: datetime.now(UTC))
            for app in apps:
                await storage.subscriptions.add(
                    team="T",
                    channel="C",
                    app=App(slug=app.slug, title=app.title),
                    terms=Terms(),
                    by="U",
                    at=datetime.now(UTC),
                    baseline=await read_baseline(bitrise, app.slug),
                )
            recorder = Recorder(database, compare=compare, match=match)
            look = Look(bitrise, storage, recorder, token="t", clock=lambda: datetime.now(UTC))
            for _ in range(3):
                await look()

            async def bare() -> None:
                response = await http.send("GET", f"{url}/builds", params={"limit": "50"})
                assert response.content == body

            ours, plain = await side_by_side(look, bare, TIMES)
        await database.close()
    await runner.cleanup()
    ratio = ours / plain
    return [
        Figure(
            "a look at an unchanged answer",
            f"{ours * 1000:.2f} ms, {ratio:.2f} times",
            f"request {plain * 1000:.2f} ms",
            "under 1.5 times",
            ratio < 1.5,
        )
    ]
