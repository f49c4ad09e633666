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
from domain.control_characters import plain_text
from domain.log.log_parser import LogParser
from domain.log.log_text import Redactor, strip_control_codes
from providers.http.downloads import Downloads
from providers.http.transport import HttpTransport
from sandbox.bitrise.log_text import render_log

MEGABYTES = 200
MAX_GROWTH_MB = 40
# Typical log lines; every third has a word or format that the redactor must examine.
SUSPECT_LINES = Path(__file__).parent.parent / "tests/domain/redaction/corpus/harmless.txt"
SUSPECT_TIMES = 200


@contextmanager
def serve_log(megabytes: int) -> Iterator[str]:
    """Serve a log of about this many megabytes, generated on the fly by a thread."""
    steps = render_log("primary", "main", datetime.now(UTC), share=1.0, result="error").encode()
    head, _, tail = steps.partition(b"LoginTest > rejects")
    coloured_line = (
        b"\x1b[32m> Task :app:compileDebugKotlin\x1b[0m some words of a compiler that likes to talk\n"
    )
    line = (
        coloured_line
        + b"w: file Session.kt: parameter 'unused' is never used, could be renamed to _ or removed\n" * 4
    )
    chunk = line * (1024 * 1024 // len(line))

    async def send_log(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):  # the client may disconnect early
            await response.write(head)
            for _ in range(megabytes):
                await response.write(chunk)
            await response.write(b"LoginTest > rejects" + tail)
        return response

    with serve_responses(send_log) as address:
        yield address


async def measure(scale: float = 1) -> list[BenchmarkResult]:
    megabytes = scale_count(MEGABYTES, scale, minimum=1)
    redacted_megabytes = megabytes // 10 or 1
    with serve_log(megabytes) as address:
        async with HttpTransport() as http:
            downloads = Downloads(http, api_url=address, hosts=())
            fetching = await _download_seconds(downloads, address, lambda _: None)
            _reset_peak()
            before = _peak_mb()
            parser = LogParser(clean=plain_text, shown=strip_control_codes, word="assertionerror")
            parsing = await _download_seconds(downloads, address, parser.feed)
            log = parser.finish()
            redactor = Redactor()
            redacting = await _download_seconds(
                downloads, address, redactor.feed, megabytes=redacted_megabytes
            )
            growth = _peak_mb() - before
    assert log.of == "gradle-unit-test@1.0.7"
    assert log.hit_count == 1
    return [
        BenchmarkResult(
            f"memory for a log of {log.size // 1_000_000} MB",
            f"+{growth:.0f} MB",
            "nothing held: +0 MB",
            f"under {MAX_GROWTH_MB} MB",
            growth < MAX_GROWTH_MB,
        ),
        BenchmarkResult(
            "reading its steps and a word",
            f"{log.size / parsing / 1e6:.0f} MB a second",
            f"fetching {log.size / fetching / 1e6:.0f} MB a second",
            "over 40 MB a second",
            log.size / parsing > 40e6,
        ),
        BenchmarkResult(
            "taking secrets out, for the whole as a file",
            f"{redacted_megabytes / redacting:.1f} MB a second",
            f"fetching {log.size / fetching / 1e6:.0f} MB a second",
            "over 10 MB a second",
            redacted_megabytes / redacting > 10,
        ),
        _measure_suspect_lines(scale_count(SUSPECT_TIMES, scale, minimum=1)),
    ]


def _measure_suspect_lines(times: int) -> BenchmarkResult:
    log = SUSPECT_LINES.read_bytes() * times
    chunks = [log[at : at + 65536] for at in range(0, len(log), 65536)]
    redactor, started_at = Redactor(), time.perf_counter()
    for chunk in chunks:
        redactor.feed(chunk)
    duration = time.perf_counter() - started_at
    started_at = time.perf_counter()
    for chunk in chunks:
        chunk.splitlines()
    baseline = time.perf_counter() - started_at
    return BenchmarkResult(
        "the same, of lines that look suspect",
        f"{len(log) / duration / 1e6:.1f} MB a second",
        f"splitting into lines {len(log) / baseline / 1e6:.0f} MB a second",
        "over 2 MB a second",
        len(log) / duration > 2e6,
    )


async def _download_seconds(
    downloads: Downloads, address: str, feed: object, *, megabytes: int = 10_000
) -> float:
    started_at, received = time.perf_counter(), 0
    async with downloads.open(f"{address}/log") as chunks:
        async for chunk in chunks:
            feed(chunk)  # type: ignore[operator]
            received += len(chunk)
            if received > megabytes * 1024 * 1024:
                break
    return time.perf_counter() - started_at


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
