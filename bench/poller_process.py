"""The pollers of one of several bots, with many tokens, as a process: begins at the first line on its input.

Each poll is a line in the provider's log: the token's number, the process, and the seconds of the machine's monotonic
clock. Another line, without the seconds, follows once the result is stored.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from datetime import UTC, datetime
from functools import partial

from bot.providers_setup import ACTIONS
from messages.started_run import RunMessageRenderer
from providers.bitrise.provider import BITRISE
from services.events import EventBus
from services.jobs.procrastinate_engine import ProcrastinateEngine
from services.polling.poll import PollOutcome
from services.polling.poll_schedule import PollSchedule
from services.polling.poller import Intervals, Poller
from storage.database_url import open_database
from storage.repositories import Repositories

# How long the provider takes to answer.
ANSWER_SECONDS = 0.05


async def main(database_url: str, log: str, tokens: str, interval: str) -> None:
    clock = partial(datetime.now, UTC)
    database = await open_database(database_url)
    engine = ProcrastinateEngine(database_url, clock=clock)
    database.use_engine(engine.wake)
    storage = Repositories(database, read_action=ACTIONS.read, run_messages=RunMessageRenderer())
    # Whole lines at the end of one file, whichever process writes them.
    file = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    async def poll(number: int) -> PollOutcome:
        os.write(file, f"{number} {os.getpid()} {time.monotonic():.4f}\n".encode())
        polled.add(number)
        await asyncio.sleep(ANSWER_SECONDS)
        return PollOutcome()

    async def run_once(poller: Poller, number: int) -> float | None:
        seconds = await Poller.run_once(poller)
        if number in polled:
            polled.discard(number)
            os.write(file, f"{number} {os.getpid()}\n".encode())
        return seconds

    pollers, polled = [], set[int]()
    for number in range(int(tokens)):
        poller = Poller(
            BITRISE,
            partial(poll, number),
            schedule=PollSchedule(storage, BITRISE, f"token {number}"),
            intervals=Intervals(float(interval), float(interval)),
            events=EventBus(),
            clock=clock,
            randomness=random.Random(),
        )
        # With a token for each provider, this is the provider's name.
        poller.key = str(number)
        poller.run_once = partial(run_once, poller, number)  # type: ignore[method-assign]
        poller.locks = database.session_locks
        pollers.append(poller)
    print("true", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    running = [asyncio.create_task(engine.run(poller)) for poller in pollers]
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps({"cpu": time.process_time()}), flush=True)
    engine.stop()
    for poller in pollers:
        poller.stop()
    await asyncio.gather(*running)
    await database.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
