"""An HTTP server on its own thread, so that its work is not measured."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from aiohttp import web


@contextmanager
def serve_responses(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Iterator[str]:
    """Respond to every GET with this handler; yields the address."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    port = 0

    async def start() -> web.AppRunner:
        nonlocal port
        app = web.Application()
        app.router.add_get("/{path:.*}", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        return runner

    def run() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(start())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    ready.wait()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@contextmanager
def serve_body(body: bytes) -> Iterator[tuple[str, list[str]]]:
    """Respond to every GET with this body; yields the address and the requested paths."""
    requested_paths: list[str] = []

    async def respond(request: web.Request) -> web.Response:
        requested_paths.append(request.path)
        return web.Response(body=body, content_type="application/json")

    with serve_responses(respond) as address:
        yield f"{address}/v0.1", requested_paths
