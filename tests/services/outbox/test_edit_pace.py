"""The order and rate of message edits."""

from __future__ import annotations

import asyncio

from services.outbox.rate_limits import EditPace, Urgency


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
