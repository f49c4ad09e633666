"""Places that many share: how many each has, who gets the next one, and that none is ever lost."""

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


async def settle() -> None:
    """Let everybody go on who can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def queue(limiter: FairLimiter, *requesters: Requester) -> list[asyncio.Task[None]]:
    """Let them ask for a place, in this order."""
    tasks = []
    for one in requesters:
        tasks.append(asyncio.create_task(limiter.acquire(one)))
        await settle()
    return tasks


async def test_a_workspace_and_a_person_have_their_share_and_nobody_else_waits_for_them() -> None:
    limiter = FairLimiter(QUOTA)
    tasks = await queue(limiter, ANNA, ANNA, BEN, CARLA, TWIN)
    assert [task.done() for task in tasks] == [True, False, True, False, True]
    limiter.release(BEN)
    await settle()
    # Anna, who came first, has her one place; the next is Carla.
    assert [task.done() for task in tasks] == [True, False, True, True, True]
    limiter.release(ANNA)
    await asyncio.gather(*tasks)


async def test_the_next_place_is_the_workspaces_that_has_the_fewest() -> None:
    limiter = FairLimiter(Quota(total=3, workspace=3, person=3, waiting=9, seconds=30))
    await queue(limiter, ANNA, ANNA, ANNA)
    waiting = await queue(limiter, BEN, BEN, TWIN)
    limiter.release(ANNA)
    await settle()
    assert [task.done() for task in waiting] == [False, False, True]
    limiter.release(ANNA)
    await settle()
    assert [task.done() for task in waiting] == [True, False, True]
    limiter.release(ANNA)
    await asyncio.gather(*waiting)


async def test_workspaces_that_have_as_many_take_turns() -> None:
    limiter = FairLimiter(Quota(total=1, workspace=1, person=1, waiting=9, seconds=30))
    await limiter.acquire(Requester("T0", "anybody"))
    order: list[str] = []

    async def ask(requester: Requester) -> None:
        async with limiter.place(requester):
            order.append(requester.team)

    tasks = []
    for one in (ANNA, ANNA, ANNA, TWIN, TWIN):
        tasks.append(asyncio.create_task(ask(one)))
        await settle()
    limiter.release(Requester("T0", "anybody"))
    await asyncio.gather(*tasks)
    assert order == ["T1", "T2", "T1", "T2", "T1"]


async def test_the_bot_itself_is_nobody_in_particular_and_has_a_workspaces_share() -> None:
    limiter = FairLimiter(QUOTA)
    tasks = await queue(limiter, Requester(), Requester(), Requester())
    assert [task.done() for task in tasks] == [True, True, False]
    limiter.release(Requester())
    await asyncio.gather(*tasks)


async def test_too_many_who_wait_and_whoever_waits_too_long_are_told_so() -> None:
    limiter = FairLimiter(QUOTA)
    await queue(limiter, ANNA)
    waiting = await queue(limiter, ANNA, ANNA, ANNA)
    with pytest.raises(LimitReached, match="Wait until some of it is done"):
        await limiter.acquire(ANNA)
    # Another workspace waits by itself.
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


async def test_whoever_goes_away_just_as_it_is_their_turn_leaves_the_place_to_the_next() -> None:
    limiter = FairLimiter(Quota(total=1, workspace=1, person=1, waiting=9, seconds=30))
    await limiter.acquire(ANNA)
    first, second = await queue(limiter, ANNA, BEN)
    limiter.release(ANNA)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert first.cancelled()
    await second
    limiter.release(BEN)
    first, second = await queue(limiter, ANNA, BEN)
    second.cancel()
    limiter.release(ANNA)
    await settle()
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
def test_no_share_is_ever_exceeded_and_no_place_is_ever_lost(
    steps: Sequence[tuple[str, Requester, int]],
) -> None:
    async def play() -> None:
        limiter = FairLimiter(QUOTA)
        asked: list[tuple[Requester, asyncio.Task[None]]] = []
        for step, requester, number in steps:
            if step == "ask":
                asked.append((requester, asyncio.create_task(limiter.acquire(requester))))
            elif asked:
                one, task = asked[number % len(asked)]
                if step == "cancel" and not task.done():
                    task.cancel()
                elif step == "done" and task.done() and not task.cancelled() and task.exception() is None:
                    asked.remove((one, task))
                    limiter.release(one)
            if number % 3:
                await settle()
            check([who for who, task in asked if succeeded(task)])
        await settle()
        for _ in range(100):
            held = [pair for pair in asked if succeeded(pair[1])]
            if not held:
                break
            for pair in held:
                asked.remove(pair)
                limiter.release(pair[0])
            await settle()
        assert all(task.done() for _, task in asked)
        assert (limiter._total, limiter._waiting) == (0, {})

    asyncio.run(play())


def succeeded(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is None


def check(held: Sequence[Requester]) -> None:
    assert len(held) <= QUOTA.total
    assert all(count <= QUOTA.workspace for count in Counter(one.team for one in held).values())
    assert all(count <= QUOTA.person for who, count in Counter(held).items() if who.person)
