"""The thread of a database: one call after another, errors to whoever awaits them, nothing lost at the end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from storage.database_thread import DatabaseThread


async def test_calls_run_in_their_order_in_one_thread_and_return_results_or_errors() -> None:
    thread = DatabaseThread()
    done: list[int] = []
    try:
        calls = [thread.run(done.append, number) for number in range(50)]
        failing = thread.run(int, "no number")
        await asyncio.gather(*calls)
        assert done == list(range(50))
        with pytest.raises(ValueError, match="no number"):
            await failing
        threads = {await thread.run(threading.get_ident) for _ in range(3)}
        assert len(threads) == 1
        assert threads != {threading.get_ident()}
    finally:
        thread.close()


async def test_a_call_that_is_cancelled_before_it_begins_is_not_run() -> None:
    thread, go_on = DatabaseThread(), threading.Event()
    done: list[str] = []
    try:
        first = thread.run(go_on.wait)
        second, third = thread.run(done.append, "second"), thread.run(done.append, "third")
        second.cancel()
        go_on.set()
        await asyncio.gather(first, third)
        assert done == ["third"]
    finally:
        go_on.set()
        thread.close()


async def test_closing_finishes_what_was_called() -> None:
    thread, done = DatabaseThread(), list[int]()
    calls = [thread.run(done.append, number) for number in range(50)]
    await asyncio.to_thread(thread.close)
    assert done == list(range(50))
    await asyncio.gather(*calls)


def test_a_call_may_outlive_its_event_loop() -> None:
    thread, started, go_on = DatabaseThread(), threading.Event(), threading.Event()
    done: list[str] = []

    def work() -> None:
        started.set()
        go_on.wait()
        done.append("done")

    async def begin() -> None:
        thread.run(work)
        await asyncio.to_thread(started.wait)

    asyncio.run(begin())
    go_on.set()
    thread.close()
    assert done == ["done"]
