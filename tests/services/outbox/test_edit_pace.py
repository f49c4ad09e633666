"""The order and rate of message edits."""

from __future__ import annotations

import asyncio

from services.outbox.rate_limits import SHARED_EDITS, EditPace, SharedEditPace, Urgency
from storage.budgets import Budget, Budgets
from tests.support.postgres import PostgresServer
from tests.support.shared_database import open_repositories


async def test_the_most_urgent_edit_goes_first_then_the_one_that_has_waited_longest() -> None:
    pace, order = EditPace(600), []

    async def edit(name: str, urgency: Urgency, since: float = 0) -> None:
        await pace.acquire(urgency, since=since)
        order.append(name)

    for _ in range(600):
        await pace.acquire(Urgency.STATE)
    async with asyncio.TaskGroup() as tasks:
        for name, urgency, since in (
            ("younger progress", Urgency.PROGRESS, 2.0),
            ("older progress", Urgency.PROGRESS, 1.0),
            ("excerpt", Urgency.EXCERPT, 3.0),
            ("state", Urgency.STATE, 4.0),
        ):
            tasks.create_task(edit(name, urgency, since))
    assert order == ["state", "excerpt", "older progress", "younger progress"]


async def test_progress_leaves_room_for_states_and_a_cancelled_edit_uses_none() -> None:
    now = 0.0
    pace = EditPace(36, monotonic=lambda: now)
    progress_edits = [asyncio.create_task(pace.acquire(Urgency.PROGRESS)) for _ in range(30)]
    await asyncio.sleep(0)
    assert sum(edit.done() for edit in progress_edits) < 30
    async with asyncio.timeout(30):
        for _ in range(18):
            await pace.acquire(Urgency.STATE)
    for edit in progress_edits:
        edit.cancel()
    await asyncio.gather(*progress_edits, return_exceptions=True)
    now += 60
    async with asyncio.timeout(30):
        for _ in range(36):
            await pace.acquire(Urgency.STATE)


async def test_no_edit_is_allowed_while_slack_asks_to_wait() -> None:
    now = 0.0
    pace = EditPace(36, monotonic=lambda: now)
    pace.hold(30)
    waiting = asyncio.create_task(pace.acquire(Urgency.STATE))
    await asyncio.sleep(0)
    assert not waiting.done()
    now += 32
    second = asyncio.create_task(pace.acquire(Urgency.PROGRESS))
    async with asyncio.timeout(30):
        await waiting
    assert not second.done()
    second.cancel()


async def test_several_bots_make_no_more_edits_than_one(postgres: PostgresServer) -> None:
    async with open_repositories(postgres) as bots:
        now = 1000.0
        paces = [SharedEditPace(Budgets(bot.database, lambda: now), "T1") for bot in bots]
        edits = [asyncio.create_task(pace.acquire(Urgency.STATE)) for pace in paces for _ in range(30)]
        async with asyncio.timeout(30):
            while sum(edit.done() for edit in edits) < 36:
                await asyncio.wait(
                    [edit for edit in edits if not edit.done()], return_when=asyncio.FIRST_COMPLETED
                )
        assert await Budgets(bots[0].database, lambda: now).take("T1", SHARED_EDITS) > 0
        assert sum(edit.done() for edit in edits) == 36
        assert await Budgets(bots[0].database, lambda: now).take("T2", SHARED_EDITS) == 0
        for edit in edits:
            edit.cancel()
        await asyncio.gather(*edits, return_exceptions=True)
        # Progress leaves some to the states of the other bot.
        now += 60
        progress = [asyncio.create_task(paces[0].acquire(Urgency.PROGRESS)) for _ in range(30)]
        async with asyncio.timeout(30):
            while sum(edit.done() for edit in progress) < 18:
                await asyncio.wait(
                    [edit for edit in progress if not edit.done()], return_when=asyncio.FIRST_COMPLETED
                )
            for _ in range(18):
                await paces[1].acquire(Urgency.STATE)
        assert sum(edit.done() for edit in progress) == 18
        for edit in progress:
            edit.cancel()
        await asyncio.gather(*progress, return_exceptions=True)


async def test_a_pause_that_slack_asks_for_counts_for_all_bots(postgres: PostgresServer) -> None:
    async with open_repositories(postgres) as bots:
        now = 1000.0
        here, there = (Budgets(bot.database, lambda: now) for bot in bots)
        assert await here.take("T1", SHARED_EDITS) == 0
        await here.hold("T1", SHARED_EDITS, 30)
        assert 31 < await there.take("T1", SHARED_EDITS) < 32
        # A clock that is behind the others changes nothing.
        now -= 5
        assert 31 < await there.take("T1", SHARED_EDITS) < 32
        now += 5 + 32
        assert await there.take("T1", SHARED_EDITS) == 0
        assert await here.take("T1", SHARED_EDITS) > 0


async def test_the_most_urgent_edit_of_a_bot_among_several_goes_first(postgres: PostgresServer) -> None:
    async with open_repositories(postgres) as bots:
        pace, order = SharedEditPace(bots[0].budgets, "T1", Budget("chat.update", 36, 3600)), []
        await bots[1].budgets.hold("T1", SHARED_EDITS, 1)

        async def edit(name: str, urgency: Urgency, since: float = 0) -> None:
            await pace.acquire(urgency, since=since)
            order.append(name)

        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            for name, urgency, since in (
                ("younger progress", Urgency.PROGRESS, 2.0),
                ("older progress", Urgency.PROGRESS, 1.0),
                ("excerpt", Urgency.EXCERPT, 3.0),
                ("state", Urgency.STATE, 4.0),
            ):
                tasks.create_task(edit(name, urgency, since))
        assert order == ["state", "excerpt", "older progress", "younger progress"]
