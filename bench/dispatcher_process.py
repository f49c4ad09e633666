"""The dispatcher of one of several bots, as a process: begins at the first line on its input, and ends with it.

It answers each further line with the CPU seconds it has used.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from datetime import UTC, datetime
from functools import partial

from bot.providers_setup import ACTIONS, SPECS
from messages.started_run import RunMessageRenderer
from sandbox.slack.server import BOT_TOKEN
from services.jobs.engine import sweep
from services.jobs.procrastinate_engine import ProcrastinateEngine
from services.metrics import Metrics
from services.outbox.dispatcher import Dispatcher
from services.outbox.rate_limits import RateLimits
from services.slack.web_client import SlackClient, create_slack_session
from storage.database_url import open_database
from storage.repositories import Repositories


async def main(database_url: str, slack_url: str, calls: str) -> None:
    clock = partial(datetime.now, UTC)
    database = await open_database(database_url)
    engine = ProcrastinateEngine(database_url, clock=clock)
    sweep(engine)
    database.use_engine(engine.wake)
    storage = Repositories(database, read_action=ACTIONS.read, run_messages=RunMessageRenderer())
    async with create_slack_session() as session:
        client = SlackClient(token=BOT_TOKEN, base_url=slack_url, session=session, retry_handlers=[])
        dispatcher = Dispatcher(
            lambda _team: client,
            storage,
            counts=Metrics(),
            clock=clock,
            new_key=lambda: secrets.token_hex(8),
            presentation_of=SPECS.presentation_of,
            limits=RateLimits(flood=10**6, calls=int(calls)),
        )
        print("true", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        running = asyncio.create_task(engine.run(dispatcher))
        began = time.process_time()
        while await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps({"cpu": time.process_time() - began}), flush=True)
        engine.stop()
        dispatcher.stop()
        await running
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
