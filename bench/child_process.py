"""Child processes of benchmarks: each prints a line when it is ready, and answers lines on its input with a report."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class ChildProcess:
    """A Python module that runs as a process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.pid = process.pid
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout

    def send(self, line: str = "") -> None:
        """Send a line."""
        self._stdin.write(f"{line}\n".encode())

    async def receive(self) -> Any:
        """Return the next line's JSON. Raises RuntimeError if the process has ended."""
        if not (line := await self._stdout.readline()):
            raise RuntimeError(f"a process of the benchmark has ended: {await self._process.wait()}")
        return json.loads(line)

    async def ask(self) -> Any:
        """Return the process's report."""
        self.send()
        return await self.receive()

    async def kill(self) -> None:
        """Kill it, as a power cut would."""
        self._process.kill()
        await self._process.wait()

    async def close(self) -> None:
        """Let it end, and wait for that."""
        self._stdin.close()
        try:
            async with asyncio.timeout(20):
                await self._process.wait()
        except TimeoutError:
            await self.kill()


@asynccontextmanager
async def running_child(module: str, *arguments: str) -> AsyncIterator[tuple[ChildProcess, Any]]:
    """Yield the process, and what it says when it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**24,  # a report is one line
    )
    child = ChildProcess(process)
    try:
        yield child, await child.receive()
    finally:
        await child.close()
