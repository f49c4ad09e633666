"""Memory for unsigned requests on many connections, against a bare Bolt app on aiohttp. Needs /proc."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

from bench.environment import running_environment
from bench.idle_memory import megabytes
from bench.result import BenchmarkResult, scale_count
from sandbox.environment import SandboxEnvironment

CONNECTIONS = 300
SECONDS = 4.0
BODY = 1024 * 1024 - 1024
SLOW_PIECE, SLOW_PAUSE = 4096, 0.1
FAST_PIECE = 64 * 1024
MAX_SLOW_MB, MAX_FAST_MB = 20, 64


async def measure(
    scale: float = 1, shared_environment: SandboxEnvironment | None = None
) -> list[BenchmarkResult]:
    connections, seconds = scale_count(CONNECTIONS, scale, minimum=3), max(SECONDS * scale, 0.2)
    async with running_environment(shared_environment, {"POLL_INTERVAL": "3600"}) as environment:
        url = await environment.bot_url()
        assert environment.bot.pid is not None
        port, pid = int(url.rsplit(":", 1)[1]), environment.bot.pid
        slow = await _measure_growth(pid, port, connections, seconds, _send_slowly, signed=True)
        unsigned = await _measure_growth(pid, port, connections, seconds, _send_fast, signed=False)
        fast = await _measure_growth(pid, port, connections, seconds, _send_fast, signed=True)
    async with _running_baseline() as (bare_pid, bare_port):
        bare_slow = await _measure_growth(
            bare_pid, bare_port, connections, seconds, _send_slowly, signed=True
        )
    async with _running_baseline() as (bare_pid, bare_port):
        bare_fast = await _measure_growth(bare_pid, bare_port, connections, seconds, _send_fast, signed=True)
    return [
        _make_result(f"memory for {connections} wrongly signed, slow", slow, bare_slow, MAX_SLOW_MB),
        _make_result(f"memory for {connections} unsigned, full speed", unsigned, bare_fast, MAX_FAST_MB),
        _make_result(f"memory for {connections} wrongly signed, full speed", fast, bare_fast, MAX_FAST_MB),
    ]


def _make_result(name: str, measured: float, baseline: float, limit: float) -> BenchmarkResult:
    return BenchmarkResult(
        name,
        f"+{measured:.1f} MB",
        f"Bolt handler +{baseline:.1f} MB",
        f"under +{limit} MB",
        measured < limit,
    )


@asynccontextmanager
async def _running_baseline() -> AsyncIterator[tuple[int, int]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.bolt_baseline",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,  # it logs every lost connection
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield process.pid, int(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()


SendBody = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def _measure_growth(
    pid: int, port: int, connections: int, seconds: float, send_body: SendBody, *, signed: bool
) -> float:
    """Return the peak growth of the process's memory in megabytes."""
    before = peak = megabytes(pid)
    attacks = [asyncio.create_task(_attack(port, send_body, signed=signed)) for _ in range(connections)]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(0.02)
        peak = max(peak, megabytes(pid))
    for attack in attacks:
        attack.cancel()
    await asyncio.gather(*attacks, return_exceptions=True)
    return peak - before


async def _attack(port: int, send_body: SendBody, *, signed: bool) -> None:
    """Send request after request, each over a new connection as soon as the last one is closed."""
    signature = f"X-Slack-Signature: v0={'0' * 64}\r\nX-Slack-Request-Timestamp: {int(time.time())}\r\n"
    head = (
        "POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {BODY}\r\n{signature if signed else ''}\r\n"
    )
    while True:
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(head.encode())
                await send_body(writer)
            finally:
                writer.transport.abort()


async def _send_slowly(writer: asyncio.StreamWriter) -> None:
    for _ in range(BODY // SLOW_PIECE - 1):
        writer.write(b"x" * SLOW_PIECE)
        await writer.drain()
        await asyncio.sleep(SLOW_PAUSE)


async def _send_fast(writer: asyncio.StreamWriter) -> None:
    # The body is never complete, so that its signature can't be checked.
    for _ in range(BODY // FAST_PIECE):
        writer.write(b"x" * FAST_PIECE)
        await writer.drain()
    while not writer.transport.is_closing():
        writer.write(b"")
        await asyncio.sleep(0.1)
