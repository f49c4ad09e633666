"""Work that takes long, done in processes beside the bot: what holds the interpreter would hold everybody's answers.

A pool of two processes, begun when first needed. Whoever waits is served in order, one call at a time, so long work
comes in pieces, between which that of others is done. `concurrent.futures.ProcessPoolExecutor` is not used: its
processes import the bot's main module with all that it needs, outlive a bot that was killed, and can't be ended where
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

MOST_AT_ONCE = 2
# A worker ends itself when a call takes too much processor time (`services.worker_processes.worker`); this is for one
# that hangs.
SECONDS_EACH = 60.0
CLOSING_SECONDS = 2.0
# Where a worker dies of something else than its work, the next one can do it.
TRIES = 2
# What a process needs from the machine; no setting of the bot's is among it.
_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE")
_ROOT = str(Path(__file__).parents[2])


class WorkFailed(Exception):
    """I couldn't look through this text for secrets, so I don't show it. Try again in a minute."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


class TooSlow(Exception):
    """The worker has ended itself, since its work took too long."""


class Runner(Protocol):
    """Whoever does work that takes long."""

    async def run(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        """What the function returns; it and all that it takes and gives can be pickled. Raises WorkFailed."""


class InProcessRunner:
    """Does the work at once where nobody else waits meanwhile: for the operator's commands, and for tests."""

    async def run(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        """What the function returns."""
        return function(*arguments)


class WorkerPool:
    """The pool. `seconds` is how long one call may take."""

    def __init__(self, *, most: int = MOST_AT_ONCE, seconds: float = SECONDS_EACH) -> None:
        self._places = asyncio.Semaphore(most)
        self._seconds = seconds
        self._idle: list[_Process] = []
        self._ending: set[_Process] = set()

    @property
    def pids(self) -> list[int]:
        """The processes that wait for work."""
        return [one.pid for one in self._idle if one.lives]

    async def run(self, function: Callable[..., ResultT], *arguments: object) -> ResultT:
        """What the function returns; it and all that it takes and gives can be pickled. Raises WorkFailed."""
        order = pickle.dumps((function, arguments))
        async with self._places:
            for tries in range(TRIES):
                try:
                    # Where one has died, so may have all that wait.
                    done, result = await self._ask(order, anew=tries > 0)
                except (TimeoutError, TooSlow):
                    log.warning("worker.too_slow", function=function.__name__)
                    raise WorkFailed from None
                except (OSError, EOFError) as problem:
                    log.warning("worker.died", reason=type(problem).__name__)
                    continue
                if done:
                    return cast(ResultT, result)
                log.error("worker.failed", function=function.__name__, reason=result)
                raise WorkFailed
        raise WorkFailed

    async def close(self) -> None:
        """End the processes. By now nobody waits for one that works."""
        ending = self._ending.union(self._idle)
        self._idle, self._ending = [], set()
        await asyncio.gather(*(one.close() for one in ending))

    async def _ask(self, order: bytes, *, anew: bool) -> tuple[bool, Any]:
        process = self._idle.pop() if self._idle and not anew else await _Process.start()
        try:
            async with asyncio.timeout(self._seconds):
                reply = await process.ask(order)
        except BaseException as problem:
            self._ending = {one for one in self._ending if one.lives} | {process}
            if isinstance(problem, TimeoutError) or not isinstance(problem, OSError | EOFError):
                # Also where nobody waits any more: its reply would be taken for that to the next order.
                process.kill()
            elif await process.was_too_slow():
                raise TooSlow from None
            raise
        self._idle.append(process)
        done, result = pickle.loads(reply)  # noqa: S301 - from our own worker, over a pipe of its own
        return bool(done), result


class _Process:
    """One worker process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    @classmethod
    async def start(cls) -> Self:
        """Start it, in a session of its own: a terminal's Ctrl-C is for the bot, which ends it when it has drained."""
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
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
    def lives(self) -> bool:
        """Whether it has not been seen to end."""
        return self._process.returncode is None

    async def ask(self, order: bytes) -> bytes:
        """Its reply to an order. Raises OSError or EOFError where it dies."""
        if self._process.stdin is None or self._process.stdout is None:
            raise EOFError
        self._process.stdin.write(LENGTH.pack(len(order)))
        self._process.stdin.write(order)
        await self._process.stdin.drain()
        (length,) = LENGTH.unpack(await self._process.stdout.readexactly(LENGTH.size))
        return await self._process.stdout.readexactly(length)

    async def was_too_slow(self) -> bool:
        """Whether the process, which has died, was ended for the time that its work took."""
        async with asyncio.timeout(CLOSING_SECONDS):
            return await self._process.wait() == -signal.SIGPROF

    def kill(self) -> None:
        """End it at once."""
        with suppress(ProcessLookupError):
            self._process.kill()

    async def close(self) -> None:
        """Let it end, as it does when its input has ended."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(CLOSING_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self.kill()
            await self._process.wait()
