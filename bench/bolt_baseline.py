"""The Bolt baseline: a handler that only acknowledges, on the same kind of server, in its own process.

With an argument, JSON, it also answers with `message`: for help at once, else when it has read `builds` with `token`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys

import aiohttp
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck, AsyncRespond
from slack_bolt.authorization import AuthorizeResult

from sandbox.slack.server import BOT_TOKEN, SIGNING_SECRET


async def main() -> None:
    logging.getLogger().setLevel(logging.ERROR)

    async def authorize(**_: object) -> AuthorizeResult:
        return AuthorizeResult(
            enterprise_id=None, team_id="T0SANDBOX", bot_token=BOT_TOKEN, bot_id="B", bot_user_id="U"
        )

    app = AsyncApp(signing_secret=SIGNING_SECRET, authorize=authorize)

    answer = json.loads(sys.argv[1]) if len(sys.argv) > 1 else None
    session = aiohttp.ClientSession()

    @app.command("/bitrise")
    async def bitrise(ack: AsyncAck, respond: AsyncRespond, command: dict[str, str]) -> None:
        await ack()
        if answer is None:
            return
        if command["text"] != "help":
            headers = {"Authorization": answer["token"]}
            async with session.get(answer["builds"], headers=headers) as response:
                await response.json()
        await respond(**answer["message"])

    async def handle_request(request: web.Request) -> web.Response:
        return await to_aiohttp_response(await app.async_dispatch(await to_bolt_request(request)))

    server = web.Application()
    server.router.add_post("/slack/events", handle_request)
    runner = web.AppRunner(server, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()
    await session.close()


if __name__ == "__main__":
    asyncio.run(main())
