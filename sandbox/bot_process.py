"""The bot as a child process, which gets all of its configuration from settings."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

# Environment variables that a process needs; all other configuration of the bot comes from its settings.
_INHERITED_VARIABLES = ("PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV", "SSL_CERT_FILE")


class ChildProcess(Protocol):
    """A child process, with the interface of asyncio's."""

    @property
    def stderr(self) -> asyncio.StreamReader | None:
        """Return its standard error."""

    @property
    def pid(self) -> int | None:
        """Return its process id."""

    @property
    def returncode(self) -> int | None:
        """Return its exit code; None while it runs."""

    def kill(self) -> None:
        """Kill it."""

    def send_signal(self, number: int, /) -> None:
        """Send it a signal."""

    async def wait(self) -> int:
        """Wait for its end; returns its exit code."""


class BotProcess:
    """`buildbell run` as a child process, with its log lines."""

    def __init__(
        self, settings: Mapping[str, str], folder: Path, *, program: Sequence[str] = ("-m", "bot", "run")
    ) -> None:
        self._settings = settings
        self._program = program
        self._folder = folder
        self._process: ChildProcess | None = None
        self._reader: asyncio.Task[None] | None = None
        self._line_received = asyncio.Event()
        self.lines: list[dict[str, Any]] = []

    async def start(self) -> Self:
        """Start the process."""
        environment = {name: os.environ[name] for name in _INHERITED_VARIABLES if name in os.environ}
        self.lines = []
        self._process = await self._spawn(environment | dict(self._settings))
        self._reader = asyncio.create_task(self._read())
        return self

    async def _spawn(self, environment: dict[str, str]) -> ChildProcess:
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *self._program,
            cwd=self._folder,  # a folder without .env
            env=environment,
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )

    async def wait_for(self, event: str, *, seconds: float = 60) -> dict[str, Any]:
        """Return the first log line with this event. Raises TimeoutError, or RuntimeError if the process has ended."""
        try:
            async with asyncio.timeout(seconds):
                while True:
                    self._line_received.clear()
                    if (
                        found := next((line for line in self.lines if line.get("event") == event), None)
                    ) is not None:
                        return found
                    if self._reader is not None and self._reader.done():
                        # A signal to a process that has just ended makes asyncio warn of an unknown child.
                        await self.wait()
                        raise RuntimeError(
                            f"the bot stopped before it logged {event!r}:\n{self.recent_log()}"
                        )
                    await self._line_received.wait()
        except TimeoutError:
            raise TimeoutError(f"the bot did not log {event!r}:\n{self.recent_log()}") from None

    @property
    def pid(self) -> int | None:
        """Return its process id; None if it is not running."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def kill(self) -> None:
        """Kill it, like a power cut."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        await self.wait()

    async def stop(self, *, seconds: float = 30) -> int:
        """Terminate it; returns its exit code. Kills it after `seconds`."""
        if self._process is None:
            return 0
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                return await self.wait()
        except TimeoutError:
            await self.kill()
            return -1

    def recent_log(self) -> str:
        """Return its last log lines as text."""
        return "\n".join(json.dumps(line, ensure_ascii=False) for line in self.lines[-20:])

    async def wait(self) -> int:
        """Wait for its end; returns its exit code."""
        if self._process is None:
            return 0
        code = await self._process.wait()
        if self._reader is not None:
            await self._reader
        return code

    async def _read(self) -> None:
        if self._process is None or self._process.stderr is None:
            return
        async for raw in self._process.stderr:
            text = raw.decode("utf-8", "replace").rstrip()
            try:
                self.lines.append(json.loads(text))
            except ValueError:
                self.lines.append({"event": "text", "text": text})
            self._line_received.set()
        self._line_received.set()
