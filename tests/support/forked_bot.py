"""The bot as a separate process without its second of imports: forked from a process that has imported everything.

`tests/bot/test_process.py` and the story start the bot as a user does.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from sandbox.bot_process import BotProcess
from sandbox.environment import SandboxEnvironment
from tests.support.bot_harness import DEADLINE_SECONDS

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["bot.cli"])


class ForkedProcess:
    """A forked process, with the interface of asyncio's processes: `pid`, `returncode`, `stderr`, `wait`, signals."""

    def __init__(self, process: ForkServerProcess, stderr: asyncio.StreamReader) -> None:
        self._process = process
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(process.sentinel, self._end)
        self.stderr = stderr
        self.pid = process.pid
        self.returncode: int | None = None

    def _end(self) -> None:
        self._loop.remove_reader(self._process.sentinel)
        self._process.join()
        self.returncode = self._process.exitcode
        self._ended.set()

    def kill(self) -> None:
        """Kill the process, as a power cut would."""
        self.send_signal(signal.SIGKILL)

    def send_signal(self, number: int) -> None:
        """Send a signal, if the process still runs."""
        if self.returncode is None and self.pid is not None:
            os.kill(self.pid, number)

    async def wait(self) -> int:
        """Wait for the end of the process, and return its exit code."""
        await self._ended.wait()
        return self.returncode or 0


class ForkedBot(BotProcess):
    """`buildbell run`, or another module with the same imports, as a forked process."""

    async def _spawn(self, environment: dict[str, str]) -> ForkedProcess:
        reader, writer = multiprocessing.Pipe(duplex=False)
        arguments = (tuple(self._program), environment, self._folder, writer)
        process = FORKS.Process(target=_run_program, args=arguments, daemon=True)
        await asyncio.to_thread(process.start)
        writer.close()
        stream, loop = asyncio.StreamReader(), asyncio.get_running_loop()
        pipe = os.fdopen(os.dup(reader.fileno()), "rb", buffering=0)
        reader.close()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
        return ForkedProcess(process, stream)


def forked_environment(manifest: Mapping[str, Any]) -> SandboxEnvironment:
    """Return the simulators and a forked bot; Slack's deadline is that of `tests.support.bot_harness`."""
    return SandboxEnvironment(manifest, ForkedBot, deadline_seconds=DEADLINE_SECONDS)


def _run_program(
    program: Sequence[str], environment: dict[str, str], folder: Path, writer: Connection
) -> None:
    """Run `python PROGRAM` in the new process, in this folder and with only this environment."""
    os.dup2(writer.fileno(), 2)
    writer.close()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    _, module, *arguments = program
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
