"""What every simulated build system has: a clock, faults, notes of what it was asked, and ports on loopback."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from sandbox.faults import Fault, FaultInjector
from sandbox.middleware import RecordedRequest, ResponseRewriter
from sandbox.request_log import RequestLog


def utc_now() -> datetime:
    """The time."""
    return datetime.now(UTC)


@dataclass
class ProviderSimulator:
    """A service; `now` is its clock, which may run faster than ours."""

    now: Callable[[], datetime] = utc_now
    faults: FaultInjector = field(default_factory=FaultInjector)
    requests: deque[RecordedRequest] = field(default_factory=lambda: deque(maxlen=5000))
    journal: RequestLog = field(default_factory=RequestLog)
    url: str = ""
    # Makes another answer of each: given the request ("GET /v0.1/me") and the body, for those who want to see what
    # becomes of answers that the service does not give. None: every answer is as it is.
    twist: ResponseRewriter | None = None

    def __post_init__(self) -> None:
        self._runners: list[web.AppRunner] = []
        self._alive: asyncio.Task[None] | None = None

    def advance(self) -> bool:
        """Let everything live until now; returns whether something came further."""
        raise NotImplementedError

    def start_clock(self, every_seconds: float = 0.2) -> None:
        """Let time pass by itself."""

        async def go_on() -> None:
            while True:
                if self.advance():
                    self.journal.changed()
                await asyncio.sleep(every_seconds)

        self._alive = asyncio.create_task(go_on())

    async def close(self) -> None:
        """End."""
        if self._alive is not None:
            self._alive.cancel()
        for runner in self._runners:
            await runner.cleanup()

    def fault(self, match: str, kind: Any, **more: Any) -> Fault:
        """Let something go wrong with the next requests of a path: `GET /v0.1/builds`, globs allowed."""
        fault = Fault(match, kind, **more)
        self.faults.add(fault)
        return fault

    def rewrite_response(self, asked: str, body: bytes) -> bytes:
        """The body that is sent for this one."""
        return self.twist(asked, body) if self.twist is not None else body

    async def serve(self, app: web.Application) -> str:
        """Begin to serve on loopback; returns the address."""
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._runners.append(runner)
        return f"http://127.0.0.1:{runner.addresses[0][1]}"
