"""Worker processes run long work beside the bot, without its settings, and may die at any time."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from domain.redaction.redactor import redact
from services.worker_processes.pool import WorkerPool, WorkFailed

SECRET = "API_TOKEN=hunter2hunter2"


@pytest.fixture
async def workers() -> AsyncIterator[WorkerPool]:
    opened = WorkerPool(most=1)
    yield opened
    await opened.close()


def is_running(pid: int) -> bool:
    """Return whether the process is running; a zombie is not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def read_start_data(pid: int) -> bytes:
    """Return the process's command line and environment."""
    return Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()


async def wait_until_busy(workers: WorkerPool) -> None:
    """Wait until no process is idle."""
    while workers.pids:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def wait_for_exit(pid: int) -> None:
    async with asyncio.timeout(60):
        while is_running(pid):  # noqa: ASYNC110 - nobody tells of the end of a process that is not ours
            await asyncio.sleep(0.01)


async def test_work_is_done_in_another_process_which_is_reused(workers: WorkerPool) -> None:
    pid = await workers.run(os.getpid)
    assert pid != os.getpid()
    assert await workers.run(redact, SECRET) == "API_TOKEN=[redacted]"
    assert await workers.run(os.getpid) == pid
    assert workers.pids == [pid]


async def test_a_worker_has_no_settings_and_imports_no_large_part_of_the_bot(
    workers: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-canary")
    await workers.run(redact, SECRET)
    assert await workers.run(os.getenv, "SLACK_BOT_TOKEN") is None
    heavy = (
        "{'aiohttp', 'httpx', 'slack_sdk', 'bot.http', 'bot.bitrise', 'handlers', 'storage', 'bot.settings'}"
    )
    assert await workers.run(eval, f"{heavy} & __import__('sys').modules.keys()") == set()
    assert b"canary" not in read_start_data(workers.pids[0])


async def test_a_killed_idle_worker_is_replaced_and_the_work_is_done(workers: WorkerPool) -> None:
    pid = await workers.run(os.getpid)
    os.kill(pid, signal.SIGKILL)
    assert await workers.run(redact, SECRET) == "API_TOKEN=[redacted]"
    assert workers.pids != [pid]


async def test_a_worker_killed_at_work_is_replaced_and_the_work_is_done(workers: WorkerPool) -> None:
    pid = await workers.run(os.getpid)
    working = asyncio.create_task(workers.run(eval, "__import__('time').sleep(0.3) or 'done'"))
    await wait_until_busy(workers)
    os.kill(pid, signal.SIGKILL)
    assert await working == "done"
    assert workers.pids != [pid]


async def test_work_fails_if_every_worker_dies(workers: WorkerPool) -> None:
    with capture_logs() as logs, pytest.raises(WorkFailed, match="so it isn't shown"):
        await workers.run(os._exit, 1)
    assert [entry["event"] for entry in logs] == ["worker.died", "worker.died"]
    assert await workers.run(len, "abc") == 3


async def test_work_fails_if_no_worker_can_be_started(
    workers: WorkerPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(WorkFailed):
        await workers.run(redact, SECRET)


async def test_only_the_name_of_a_workers_error_is_logged(workers: WorkerPool) -> None:
    with capture_logs() as logs, pytest.raises(WorkFailed) as problem:
        await workers.run(int, SECRET)
    assert [(entry["event"], entry["reason"]) for entry in logs] == [("worker.failed", "ValueError")]
    assert "hunter2" not in str(logs) + str(problem.value)


async def test_a_call_has_limited_processor_time_and_is_not_tried_again(workers: WorkerPool) -> None:
    left, _ = await workers.run(signal.getitimer, signal.ITIMER_PROF)
    assert 0 < left <= 5.01
    with capture_logs() as logs, pytest.raises(WorkFailed):
        await workers.run(signal.raise_signal, signal.SIGPROF)
    assert [entry["event"] for entry in logs] == ["worker.too_slow"]
    assert await workers.run(len, "abc") == 3


async def test_a_call_that_hangs_fails() -> None:
    workers = WorkerPool(most=1, seconds=0.3)
    try:
        with pytest.raises(WorkFailed):
            await workers.run(time.sleep, 3600)
    finally:
        await workers.close()


async def test_the_reply_to_a_cancelled_call_is_not_given_to_another(workers: WorkerPool) -> None:
    await workers.run(len, "")
    task = asyncio.create_task(workers.run(eval, "__import__('time').sleep(3600) or 'of another'"))
    await wait_until_busy(workers)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await workers.run(len, "abc") == 3


async def test_calls_are_served_in_turn_however_many_others_have(workers: WorkerPool) -> None:
    done: list[str] = []

    async def long(name: str) -> None:
        for _ in range(20):
            await workers.run(len, "")
            done.append(name)

    others = [asyncio.create_task(long(name)) for name in "ab"]
    while len(done) < 5:  # noqa: ASYNC110
        await asyncio.sleep(0)
    before = len(done)
    await workers.run(len, "")
    assert len(done) - before <= 3
    await asyncio.gather(*others)


async def test_workers_ignore_ctrl_c_and_sigterm(workers: WorkerPool) -> None:
    pid = await workers.run(os.getpid)
    for number in (signal.SIGTERM, signal.SIGINT):
        os.kill(pid, number)
    assert await workers.run(os.getpid) == pid
    assert os.getsid(pid) != os.getsid(0)


async def test_workers_end_when_the_bot_ends() -> None:
    workers = WorkerPool()
    pid = await workers.run(os.getpid)
    await workers.close()
    assert not is_running(pid)
    assert await workers.run(len, "abc") == 3  # a new process is started for a later call
    await workers.close()


async def test_workers_end_when_the_bot_is_killed() -> None:
    program = (
        "import asyncio, os\nfrom services.worker_processes.pool import WorkerPool\n"
        "async def main():\n"
        "    print(await WorkerPool().run(os.getpid), flush=True)\n"
        "    await asyncio.sleep(3600)\n"
        "asyncio.run(main())\n"
    )
    bot = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert bot.stdout is not None
    pid = int(await bot.stdout.readline())
    assert is_running(pid)
    bot.kill()
    await bot.wait()
    await wait_for_exit(pid)
