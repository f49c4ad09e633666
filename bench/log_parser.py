"""Parsing a log of 200 MB: memory, and time against only downloading it."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from bench.result import BenchmarkResult, scale_count
from bench.threaded_server import serve_responses
from domain.ansi import plain_text
from domain.log.log_parser import LogParser
from domain.log.log_text import Redactor, strip_control_codes
from providers.http.downloads import Downloads
from providers.http.transport import HttpTransport
from sandbox.bitrise.log_text import render_log

MEGABYTES = 200
MOST_GROWTH_MB = 40
# Typical log lines; every third has a word or format that needs a closer look.
SUSPECT = Path(__file__).parent.parent / "tests/domain/redaction/corpus/harmless.txt"
SUSPECT_TIMES = 200


@contextmanager
def serve_log(megabytes: int) -> Iterator[str]:
    """Serve a log of about this many megabytes, generated on the fly by a thread."""
    steps = render_log("primary", "main", datetime.now(UTC), share=1.0, result="error").encode()
    head, _, tail = steps.partition(b"LoginTest > rejects")
    coloured = b"\x1b[32m> Task :app:compileDebugKotlin\x1b[0m some words of a compiler that likes to talk\n"
    line = (
        coloured
        + b"w: file Session.kt: parameter 'unused' is never used, could be renamed to _ or removed\n" * 4
    )
    piece = line * (1024 * 1024 // len(line))

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):  # the client may disconnect early
            await response.write(head)
            for _ in range(megabytes):
                await response.write(piece)
            await response.write(b"LoginTest > rejects" + tail)
        return response

    with serve_responses(answer) as address:
        yield address


async def measure(scale: float = 1) -> list[BenchmarkResult]:
    megabytes = scale_count(MEGABYTES, scale, minimum=1)
    part = megabytes // 10 or 1
    with serve_log(megabytes) as address:
        async with HttpTransport() as http:
            downloads = Downloads(http, api_url=address, hosts=())
            fetching = await _seconds(downloads, address, lambda _: None)
            _reset_peak()
            before = _peak_mb()
            reader = LogParser(clean=plain_text, shown=strip_control_codes, word="assertionerror")
            reading = await _seconds(downloads, address, reader.feed)
            found = reader.finish()
            redactor = Redactor()
            redacting = await _seconds(downloads, address, redactor.feed, megabytes=part)
            growth = _peak_mb() - before
    assert found.of == "gradle-unit-test@1.0.7"
    assert found.hit_count == 1
    return [
        BenchmarkResult(
            f"memory for a log of {found.size // 1_000_000} MB",
            f"+{growth:.0f} MB",
            "nothing held: +0 MB",
            f"under {MOST_GROWTH_MB} MB",
            growth < MOST_GROWTH_MB,
        ),
        BenchmarkResult(
            "reading its steps and a word",
            f"{found.size / reading / 1e6:.0f} MB a second",
            f"fetching {found.size / fetching / 1e6:.0f} MB a second",
            "over 40 MB a second",
            found.size / reading > 40e6,
        ),
        BenchmarkResult(
            "taking secrets out, for the whole as a file",
            f"{part / redacting:.1f} MB a second",
            f"fetching {found.size / fetching / 1e6:.0f} MB a second",
            "over 10 MB a second",
            part / redacting > 10,
        ),
        _of_suspect_lines(scale_count(SUSPECT_TIMES, scale, minimum=1)),
    ]


def _of_suspect_lines(times: int) -> BenchmarkResult:
    log = SUSPECT.read_bytes() * times
    pieces = [log[at : at + 65536] for at in range(0, len(log), 65536)]
    redactor, began = Redactor(), time.perf_counter()
    for piece in pieces:
        redactor.feed(piece)
    durations = time.perf_counter() - began
    began = time.perf_counter()
    for piece in pieces:
        piece.splitlines()
    baseline = time.perf_counter() - began
    return BenchmarkResult(
        "the same, of lines that look suspect",
        f"{len(log) / durations / 1e6:.1f} MB a second",
        f"splitting into lines {len(log) / baseline / 1e6:.0f} MB a second",
        "over 2 MB a second",
        len(log) / durations > 2e6,
    )


async def _seconds(downloads: Downloads, address: str, feed: object, *, megabytes: int = 10_000) -> float:
    began, taken = time.perf_counter(), 0
    async with downloads.open(f"{address}/log") as chunks:
        async for chunk in chunks:
            feed(chunk)  # type: ignore[operator]
            taken += len(chunk)
            if taken > megabytes * 1024 * 1024:
                break
    return time.perf_counter() - began


def _reset_peak() -> None:
    """Reset the peak memory, so that earlier use does not hide later use; Linux only."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_mb() -> float:
    """Return the peak memory of this process in megabytes."""
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 / 1024
