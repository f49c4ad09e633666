"""Forgetting what is old, but not what is owed, nor what statistics need."""

from __future__ import annotations

from datetime import timedelta

from bot.build import State
from storage import NewMessage, Storage, prune
from tests.builds import ANDROID, NOON, a_build
from tests.storage.test_recording import owed, see, subscribe


async def test_told_builds_are_forgotten_but_for_what_statistics_need(storage: Storage) -> None:
    await subscribe(storage)
    await see(storage, a_build(1, State.FAILED, branch="main"), a_build(2, State.RUNNING))
    await storage.outbox.begin(
        await owed(storage), NewMessage(parcel="p", team="T1", channel="C1", subject="build 1 x"), NOON
    )
    await storage.outbox.told("p", "1.0")
    assert await prune(storage.database, before=NOON + timedelta(days=1)) == 3
    [[number, state, branch, body]] = await storage.database.read(
        lambda db: list(db.execute("SELECT number, state, branch, body FROM builds WHERE ended = 1"))
    )
    assert (number, state, branch, body) == (1, "failed", "main", "")
    assert await storage.watching.build(a_build(1).provider, a_build(1).slug) is None
    assert len(await storage.watching.open_builds(ANDROID.provider)) == 1
    await see(storage, a_build(1, State.FAILED))
    assert await owed(storage) == []


async def test_what_is_owed_is_kept_however_old_it_is(storage: Storage) -> None:
    await subscribe(storage)
    await see(storage, a_build(1))
    assert await prune(storage.database, before=NOON + timedelta(days=1)) == 0
    assert len(await owed(storage)) == 1


async def test_nothing_young_is_touched(storage: Storage) -> None:
    await subscribe(storage)
    await see(storage, a_build(1))
    await storage.outbox.begin(
        await owed(storage), NewMessage(parcel="p", team="T1", channel="C1", subject="x"), NOON
    )
    await storage.outbox.told("p", "1.0")
    assert await prune(storage.database, before=NOON) == 0
