"""Handled deliveries: once per workspace, until they expire, even after a restart."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from storage.database import WorkspaceGone
from storage.repositories import Repositories
from storage.slack_deliveries import SlackDeliveries
from storage.sqlite_database import SqliteDatabase
from tests.support.factories import NOON

LATER = NOON + timedelta(minutes=10)


async def test_a_delivery_is_taken_once_per_workspace_even_by_the_next_process(tmp_path: Path) -> None:
    for is_new in (True, False):
        database = await SqliteDatabase.open(tmp_path / "b.db")
        deliveries = SlackDeliveries(database)
        taken = await asyncio.gather(
            *(deliveries.take("T1", "one", now=NOON, until=LATER) for _ in range(5)),
            deliveries.take("T2", "one", now=NOON, until=LATER),
            deliveries.take("T1", "two", now=NOON, until=LATER),
        )
        assert taken == [is_new, False, False, False, False, is_new, is_new]
        await database.close()


async def test_expired_deliveries_are_deleted_and_no_others(repositories: Repositories) -> None:
    deliveries = repositories.slack_deliveries
    assert await deliveries.take("T1", "one", now=NOON, until=LATER)
    assert not await deliveries.take("T1", "one", now=LATER, until=LATER)
    after = LATER + timedelta(seconds=1)
    assert await deliveries.take("T2", "another", now=after, until=after)
    assert await deliveries.delete_expired(LATER) == 0
    assert await deliveries.delete_expired(after) == 1
    rows = await repositories.database.read(
        lambda db: list(db.execute("SELECT team_id, fingerprint FROM deliveries"))
    )
    assert rows == [("T2", "another")]


async def test_nothing_is_stored_for_a_wiped_workspace(repositories: Repositories) -> None:
    assert await repositories.slack_deliveries.take("T1", "one", now=NOON, until=LATER)
    await repositories.wipe("T1")
    with pytest.raises(WorkspaceGone):
        await repositories.slack_deliveries.take("T1", "two", now=NOON, until=LATER)
    assert await repositories.database.read(lambda db: list(db.execute("SELECT * FROM deliveries"))) == []


async def test_an_expired_delivery_can_be_taken_again_before_it_is_deleted(
    repositories: Repositories,
) -> None:
    deliveries = repositories.slack_deliveries
    assert await deliveries.take("T1", "one", now=NOON, until=LATER)
    after = LATER + timedelta(seconds=1)
    assert await deliveries.take("T1", "one", now=after, until=after)
    assert not await deliveries.take("T1", "one", now=after, until=after)
