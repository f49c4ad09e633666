"""The process that looks at Build.io, killed with SIGKILL at any moment of a look."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
from collections import Counter
from pathlib import Path

from bot.build import App
from bot.provider import Provider
from bot.terms import Terms
from sandbox import buildio
from sandbox.buildio import BuildioSandbox
from sandbox.clock import Clock
from storage import Database, Storage
from tests.builds import NOON, to
from tests.forked_bot import FORKS
from tests.watch.endless_looks import look_endlessly, one_look

ROUNDS = 6


async def test_a_kill_at_any_moment_of_a_look_neither_loses_nor_doubles_an_end(tmp_path: Path) -> None:
    path, chance = tmp_path / "b.db", random.Random(7)
    sandbox = await BuildioSandbox(now=Clock()).start()
    database = await Database.open(path)
    shop = App(provider=Provider.BUILDIO, slug=sandbox.shop.id, title="shop")
    await (
        Storage(database)
        .of("T1")
        .subscriptions.add(channel="C1", app=shop, terms=Terms(), by="U1", at=NOON, baseline=None)
    )
    await database.close()
    await one_look(path, sandbox.api_url, buildio.TOKEN)
    for number in range(ROUNDS):
        sandbox.deploy(sandbox.shop)
        reader, writer = multiprocessing.Pipe(duplex=False)
        arguments = (path, sandbox.api_url, buildio.TOKEN, writer)
        process = FORKS.Process(target=look_endlessly, args=arguments, daemon=True)
        await asyncio.to_thread(process.start)
        writer.close()
        assert await asyncio.to_thread(reader.recv_bytes)
        sandbox.finish(sandbox.shop, error="no" if number % 2 else None)
        await asyncio.sleep(chance.uniform(0, 0.05))  # at any moment of a look
        process.kill()
        await asyncio.to_thread(process.join)
        reader.close()
        await one_look(path, sandbox.api_url, buildio.TOKEN)
    database = await Database.open(path)
    owed = await Storage(database).outbox.due(to("C1"), 100, sandbox.now())
    await database.close()
    await sandbox.close()
    assert Counter(one.build.label for one in owed) == {f"v{number}": 1 for number in range(2, ROUNDS + 2)}
    assert [one.build.state.value for one in owed] == ["succeeded", "failed"] * (ROUNDS // 2)
