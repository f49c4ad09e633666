"""The poll loop against Build.io, killed by SIGKILL at any moment of a poll."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
from collections import Counter
from pathlib import Path

from domain.build import App
from domain.notifications.rule import NotificationRule
from providers.buildio.provider import BUILDIO
from sandbox.buildio.members import TOKEN
from sandbox.buildio.server import BuildioSimulator
from sandbox.clock import Clock
from storage.sqlite_database import SqliteDatabase
from tests.providers.buildio.polling.poll_loop import poll_endlessly, poll_once
from tests.support.factories import NOON, make_recipient
from tests.support.forked_bot import FORKS
from tests.support.repositories import make_repositories

ROUNDS = 6


async def test_a_kill_at_any_moment_of_a_poll_neither_loses_nor_repeats_an_end(tmp_path: Path) -> None:
    path, chance = tmp_path / "b.db", random.Random(7)
    sandbox = await BuildioSimulator(now=Clock()).start()
    database = await SqliteDatabase.open(path)
    shop = App(provider=BUILDIO, slug=sandbox.shop.id, title="shop")
    await (
        make_repositories(database)
        .of("T1")
        .subscriptions.add(channel="C1", app=shop, terms=NotificationRule(), by="U1", at=NOON, baseline=None)
    )
    await database.close()
    await poll_once(path, sandbox.api_url, TOKEN)
    for number in range(ROUNDS):
        sandbox.deploy(sandbox.shop)
        reader, writer = multiprocessing.Pipe(duplex=False)
        arguments = (path, sandbox.api_url, TOKEN, writer)
        process = FORKS.Process(target=poll_endlessly, args=arguments, daemon=True)
        await asyncio.to_thread(process.start)
        writer.close()
        assert await asyncio.to_thread(reader.recv_bytes)
        sandbox.finish(sandbox.shop, error="no" if number % 2 else None)
        await asyncio.sleep(chance.uniform(0, 0.05))  # at any moment of a poll
        process.kill()
        await asyncio.to_thread(process.join)
        reader.close()
        await poll_once(path, sandbox.api_url, TOKEN)
    database = await SqliteDatabase.open(path)
    queued = await make_repositories(database).outbox.due(make_recipient("C1"), 100, sandbox.now())
    await database.close()
    await sandbox.close()
    assert Counter(entry.build.label for entry in queued) == {
        f"v{number}": 1 for number in range(2, ROUNDS + 2)
    }
    assert [entry.build.state.value for entry in queued] == ["succeeded", "failed"] * (ROUNDS // 2)
