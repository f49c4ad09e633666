"""Base class of the provider simulators: clock, faults, recorded requests, and servers on loopback."""

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
    """Return the current time."""
    return datetime.now(UTC)


@dataclass
class ProviderSimulator:
    """A simulated provider; `now` is its clock."""

    now: Callable[[], datetime] = utc_now
    faults: FaultInjector = field(default_factory=FaultInjector)
    requests: deque[RecordedRequest] = field(default_factory=lambda: deque(maxlen=5000))
    request_log: RequestLog = field(default_factory=RequestLog)
    url: str = ""
    # Rewrites every response, to test how the bot handles unexpected ones: it gets the request ("GET /v0.1/me") and the
    # body, and returns the body to send. None leaves responses unchanged.
    response_rewriter: ResponseRewriter | None = None

    def __post_init__(self) -> None:
        self._runners: list[web.AppRunner] = []
        self._clock_task: asyncio.Task[None] | None = None

    def advance(self) -> bool:
        """Advance the state to the current time; returns whether anything changed."""
        raise NotImplementedError

    def start_clock(self, every_seconds: float = 0.2) -> None:
        """Call `advance` regularly."""

        async def go_on() -> None:
            while True:
                if self.advance():
                    self.request_log.on_change()
                await asyncio.sleep(every_seconds)

        self._clock_task = asyncio.create_task(go_on())

    async def close(self) -> None:
        """Stop the clock and the servers."""
        if self._clock_task is not None:
            self._clock_task.cancel()
        for runner in self._runners:
            await runner.cleanup()

    def fault(self, match: str, kind: Any, **more: Any) -> Fault:
        """Inject a fault into the next requests of a path, for example `GET /v0.1/builds`; globs are allowed."""
        fault = Fault(match, kind, **more)
        self.faults.add(fault)
        return fault

    def rewrite_response(self, request_name: str, body: bytes) -> bytes:
        """Return the body to send instead of this one."""
        return self.response_rewriter(request_name, body) if self.response_rewriter is not None else body

    async def serve(self, app: web.Application) -> str:
        """Start serving on loopback; returns the address."""
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._runners.append(runner)
        return f"http://127.0.0.1:{runner.addresses[0][1]}"
