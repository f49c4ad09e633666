"""A pool of worker processes for long work, which would otherwise block the bot's interpreter for everybody.

There are two processes, started when first needed. Calls are served in order, one at a time per process, so long work
is sent in pieces, between which other calls are served. `concurrent.futures.ProcessPoolExecutor` is not used: its
processes import the bot's main module with all its dependencies, outlive a bot that was killed, and can't be ended if
one call takes too long.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar, cast

import structlog

from services.worker_processes.worker import LENGTH

log = structlog.get_logger()

ResultT = TypeVar("ResultT")

MAX_PROCESSES = 2
# A worker ends itself if a call takes too much processor time (`services.worker_processes.worker`); this limit is for
# calls that hang.
SECONDS_EACH = 60.0
CLOSING_SECONDS = 2.0
# If a worker dies for another reason than its work, the next one can do the work.
TRIES = 2
# Environment variables that a process gets; none is a setting of the bot.
_PASSED_VARIABLES = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE")
_ROOT = str(Path(__file__).parents[2])


class WorkFailed(Exception):
    """This text couldn't be checked for secrets, so it isn't shown. Try again in a minute."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class TooSlow(Exception):
    """The worker ended itself because its work took too long."""


class Runner(Protocol):
    """Runs functions that take long."""

    async def run(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        """Return the function's result; function, arguments and result must be picklable. Raises WorkFailed."""


class InProcessRunner:
    """Runs functions in this process, where nothing else waits: for the operator's commands and for tests."""

    async def run(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        """Return the function's result."""
        return function(*arguments)


class WorkerPool:
    """The pool. `most` is the number of processes, `seconds` the limit of one call."""

    def __init__(self, *, most: int = MAX_PROCESSES, seconds: float = SECONDS_EACH) -> None:
        self._slots = asyncio.Semaphore(most)
        self._seconds = seconds
        self._idle: list[_Process] = []
        self._ending: set[_Process] = set()

    @property
    def pids(self) -> list[int]:
        """The ids of processes that wait for work."""
        return [process.pid for process in self._idle if process.is_running]

    async def run(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        """Return the function's result; function, arguments and result must be picklable. Raises WorkFailed."""
        request = pickle.dumps((function, arguments))
        async with self._slots:
            for attempt in range(TRIES):
                try:
                    # If one process has died, so may have all idle ones.
                    succeeded, result = await self._ask(request, fresh=attempt > 0)
                except (TimeoutError, TooSlow):
                    log.warning("worker.too_slow", function=function.__name__)
                    raise WorkFailed from None
                except (OSError, EOFError) as problem:
                    log.warning("worker.died", reason=type(problem).__name__)
                    continue
                if succeeded:
                    return cast(ResultT, result)
                log.error("worker.failed", function=function.__name__, reason=result)
                raise WorkFailed
        raise WorkFailed

    async def close(self) -> None:
        """End the processes; no call is in progress by now."""
        ending = self._ending.union(self._idle)
        self._idle, self._ending = [], set()
        await asyncio.gather(*(process.close() for process in ending))

    async def _ask(self, request: bytes, *, fresh: bool) -> tuple[bool, Any]:
        process = self._idle.pop() if self._idle and not fresh else await _Process.start()
        try:
            async with asyncio.timeout(self._seconds):
                reply = await process.ask(request)
        except BaseException as problem:
            self._ending = {process for process in self._ending if process.is_running} | {process}
            if isinstance(problem, TimeoutError) or not isinstance(problem, OSError | EOFError):
                # Also if the call was cancelled: the reply would be taken for the next call's.
                process.kill()
            elif await process.was_too_slow():
                raise TooSlow from None
            raise
        self._idle.append(process)
        succeeded, result = pickle.loads(reply)  # noqa: S301 - from our own worker, over a pipe of its own
        return bool(succeeded), result


class _Process:
    """One worker process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    @classmethod
    async def start(cls) -> Self:
        """Start it in its own session: a terminal's Ctrl-C is for the bot, which ends the process after draining."""
        environment = {name: os.environ[name] for name in _PASSED_VARIABLES if name in os.environ}
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                "-m",
                "services.worker_processes.worker",
                env=environment | {"PYTHONPATH": _ROOT},
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
        )

    @property
    def is_running(self) -> bool:
        """True until the process is known to have ended."""
        return self._process.returncode is None

    async def ask(self, request: bytes) -> bytes:
        """Send a request and return the reply. Raises OSError or EOFError if the process dies."""
        if self._process.stdin is None or self._process.stdout is None:
            raise EOFError
        self._process.stdin.write(LENGTH.pack(len(request)))
        self._process.stdin.write(request)
        await self._process.stdin.drain()
        (length,) = LENGTH.unpack(await self._process.stdout.readexactly(LENGTH.size))
        return await self._process.stdout.readexactly(length)

    async def was_too_slow(self) -> bool:
        """Return whether the dead process was ended because its work took too much processor time."""
        async with asyncio.timeout(CLOSING_SECONDS):
            return await self._process.wait() == -signal.SIGPROF

    def kill(self) -> None:
        """End the process at once."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """End the process by closing its input; kill it if it does not end."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
