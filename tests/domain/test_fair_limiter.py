"""The fair limiter: shares, who gets the next slot, and that no slot is ever lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.fair_limiter import FairLimiter, LimitReached, Quota, Requester

QUOTA = Quota(total=4, workspace=2, person=1, waiting=3, seconds=30)
ANNA, BEN, CARLA = (Requester("T1", person) for person in ("anna", "ben", "carla"))
TWIN = Requester("T2", "anna")


async def run_ready_tasks() -> None:
    """Run all tasks that are ready."""
    for _ in range(5):
        await asyncio.sleep(0)


async def enqueue(limiter: FairLimiter, *requesters: Requester) -> list[asyncio.Task[None]]:
    """Request a slot for each, in this order."""
    tasks = []
    for requester in requesters:
        tasks.append(asyncio.create_task(limiter.acquire(requester)))
        await run_ready_tasks()
    return tasks


async def test_workspaces_and_people_are_limited_to_their_share_without_blocking_others() -> None:
    limiter = FairLimiter(QUOTA)
    tasks = await enqueue(limiter, ANNA, ANNA, BEN, CARLA, TWIN)
    assert [task.done() for task in tasks] == [True, False, True, False, True]
    limiter.release(BEN)
    await run_ready_tasks()
    # Anna, who is first in the queue, already has her one slot; the next is Carla.
    assert [task.done() for task in tasks] == [True, False, True, True, True]
    limiter.release(ANNA)
    await asyncio.gather(*tasks)


async def test_the_next_slot_goes_to_the_workspace_that_uses_the_fewest() -> None:
    limiter = FairLimiter(Quota(total=3, workspace=3, person=3, waiting=9, seconds=30))
    await enqueue(limiter, ANNA, ANNA, ANNA)
    waiting = await enqueue(limiter, BEN, BEN, TWIN)
    limiter.release(ANNA)
    await run_ready_tasks()
    assert [task.done() for task in waiting] == [False, False, True]
    limiter.release(ANNA)
    await run_ready_tasks()
    assert [task.done() for task in waiting] == [True, False, True]
    limiter.release(ANNA)
    await asyncio.gather(*waiting)


async def test_workspaces_with_equal_use_take_turns() -> None:
    limiter = FairLimiter(Quota(total=1, workspace=1, person=1, waiting=9, seconds=30))
    await limiter.acquire(Requester("T0", "anybody"))
    order: list[str] = []

    async def use_slot(requester: Requester) -> None:
        await limiter.acquire(requester)
        order.append(requester.team)
        limiter.release(requester)

    tasks = []
    for requester in (ANNA, ANNA, ANNA, TWIN, TWIN):
        tasks.append(asyncio.create_task(use_slot(requester)))
        await run_ready_tasks()
    limiter.release(Requester("T0", "anybody"))
    await asyncio.gather(*tasks)
    assert order == ["T1", "T2", "T1", "T2", "T1"]


async def test_the_bot_itself_has_the_share_of_a_workspace() -> None:
    limiter = FairLimiter(QUOTA)
    tasks = await enqueue(limiter, Requester(), Requester(), Requester())
    assert [task.done() for task in tasks] == [True, True, False]
    limiter.release(Requester())
    await asyncio.gather(*tasks)


async def test_a_full_queue_and_a_long_wait_raise_limit_reached() -> None:
    limiter = FairLimiter(QUOTA)
    await enqueue(limiter, ANNA)
    waiting = await enqueue(limiter, ANNA, ANNA, ANNA)
    with pytest.raises(LimitReached, match="Try again when some of them have finished"):
        await limiter.acquire(ANNA)
    # Another workspace has its own queue.
    await limiter.acquire(TWIN)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    impatient = FairLimiter(Quota(total=1, workspace=1, person=1, waiting=1, seconds=0.01))
    await impatient.acquire(ANNA)
    with pytest.raises(LimitReached):
        await impatient.acquire(ANNA)
    impatient.release(ANNA)
    await impatient.acquire(ANNA)


async def test_a_request_cancelled_as_it_gets_a_slot_passes_the_slot_on() -> None:
    limiter = FairLimiter(Quota(total=1, workspace=1, person=1, waiting=9, seconds=30))
    await limiter.acquire(ANNA)
    first, second = await enqueue(limiter, ANNA, BEN)
    limiter.release(ANNA)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert first.cancelled()
    await second
    limiter.release(BEN)
    first, second = await enqueue(limiter, ANNA, BEN)
    second.cancel()
    limiter.release(ANNA)
    await run_ready_tasks()
    await limiter.acquire(CARLA)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ask", "done", "cancel"]),
            st.sampled_from([ANNA, BEN, CARLA, TWIN, Requester()]),
            st.integers(0, 20),
        ),
        max_size=60,
    )
)
def test_no_share_is_ever_exceeded_and_no_slot_is_ever_lost(
    steps: Sequence[tuple[str, Requester, int]],
) -> None:
    async def run_steps() -> None:
        limiter = FairLimiter(QUOTA)
        requests: list[tuple[Requester, asyncio.Task[None]]] = []
        for step, requester, number in steps:
            if step == "ask":
                requests.append((requester, asyncio.create_task(limiter.acquire(requester))))
            elif requests:
                owner, task = requests[number % len(requests)]
                if step == "cancel" and not task.done():
                    task.cancel()
                elif step == "done" and task.done() and not task.cancelled() and task.exception() is None:
                    requests.remove((owner, task))
                    limiter.release(owner)
            if number % 3:
                await run_ready_tasks()
            check_quota([who for who, task in requests if succeeded(task)])
        await run_ready_tasks()
        for _ in range(100):
            slots_in_use = [pair for pair in requests if succeeded(pair[1])]
            if not slots_in_use:
                break
            for pair in slots_in_use:
                requests.remove(pair)
                limiter.release(pair[0])
            await run_ready_tasks()
        assert all(task.done() for _, task in requests)
        assert (limiter._total, limiter._waiting) == (0, {})

    asyncio.run(run_steps())


def succeeded(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def check_quota(slots_in_use: Sequence[Requester]) -> None:
    assert len(slots_in_use) <= QUOTA.total
    assert all(
        count <= QUOTA.workspace for count in Counter(requester.team for requester in slots_in_use).values()
    )
    assert all(count <= QUOTA.person for who, count in Counter(slots_in_use).items() if who.person)
