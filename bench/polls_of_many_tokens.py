"""Many tokens that three processes poll side by side on one PostgreSQL; in the middle, one of them is killed.

What counts is the provider's log: no token is polled twice in an interval, and none is left out. Polls that the killed
process has not finished are repeated, and counted separately.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

from bench.child_process import running_child
from bench.databases import POSTGRES, new_databases
from bench.result import BenchmarkResult, scale_count

TOKENS = 2000
PROCESSES = 3
INTERVAL = 10.0
# Before and after the kill.
INTERVALS = 2
# An interval is shortened or lengthened by this part of it, so that bots do not poll in step
# (services/polling/poller.py).
JITTER = 0.1
# How much later than the longest interval the next poll may be, also if another process has to make it.
ALLOWANCE = 3.0
# The beginning of a poll is written to the log a little after the poll has begun.
PRECISION = 0.02


async def measure(scale: float = 1) -> list[BenchmarkResult]:
    tokens = scale_count(TOKENS, scale, minimum=10)
    processes, interval = (PROCESSES, INTERVAL) if scale else (2, 1.0)
    with new_databases() as databases, tempfile.TemporaryDirectory() as folder:
        if POSTGRES not in databases:
            return []
        log = Path(folder) / "polls"
        log.touch()
        polls, unfinished, killed_at, ended_at, cpu = await _poll(
            databases[POSTGRES](), log, processes, tokens, interval
        )
    before = {token: [at for at in times if at < killed_at] for token, times in polls.items()}
    after = {
        token: [*before[token][-2:], *(at for at in times if at >= killed_at)]
        for token, times in polls.items()
    }
    return [
        *_compare("", before, tokens, interval, killed_at),
        *_compare(", one killed", after, tokens, interval, ended_at, unfinished),
        BenchmarkResult(
            "… unfinished by the killed process, and repeated",
            f"{len(unfinished)} polls",
            "none without a kill",
            "none",
            True,
        ),
        BenchmarkResult(
            "… CPU of a poll, with all that others look for",
            f"{cpu / sum(map(len, polls.values())) * 1000:.1f} ms",
            f"{sum(map(len, polls.values())):,} polls",
            "none",
            True,
        ),
    ]


def _compare(
    name: str,
    polls: Mapping[int, Sequence[float]],
    tokens: int,
    interval: float,
    until: float,
    unfinished: Collection[tuple[int, float]] = (),
) -> list[BenchmarkResult]:
    gaps = {
        (token, first): second - first for token, times in polls.items() for first, second in pairwise(times)
    }
    # Nobody knows what became of an unfinished poll, so it may be repeated at once.
    settled = [gap for poll, gap in gaps.items() if poll not in unfinished]
    waits = [*gaps.values(), *(until - times[-1] for times in polls.values() if times)]
    shortest, longest = min(settled, default=0.0), max(waits, default=0.0)
    least, most = interval * (1 - JITTER) - PRECISION, interval * (1 + JITTER) + ALLOWANCE
    twice, late = sum(gap < least for gap in settled), sum(wait > most for wait in waits)
    missing = tokens - sum(bool(times) for times in polls.values())
    return [
        BenchmarkResult(
            f"{tokens:,} tokens, twice in an interval{name}",
            f"{twice}, shortest {shortest:.2f} s",
            f"interval {interval:.0f} s ± {JITTER:.0%}",
            "none",
            not twice,
        ),
        BenchmarkResult(
            f"… left out{name}",
            f"{missing + late}, longest {longest:.2f} s",
            f"{len(gaps):,} intervals",
            f"none longer than {most:.1f} s",
            not missing and not late,
        ),
    ]


async def _poll(
    database_url: str, log: Path, processes: int, tokens: int, interval: float
) -> tuple[dict[int, list[float]], set[tuple[int, float]], float, float, float]:
    """Let the processes poll; return what `_read` returns, the times of the kill and the end, and the CPU seconds."""
    async with AsyncExitStack() as stack:
        children = [
            (
                await stack.enter_async_context(
                    running_child("bench.poller_process", database_url, str(log), str(tokens), str(interval))
                )
            )[0]
            for _ in range(processes)
        ]
        for child in children:
            child.send()
        # All tokens are due at once at first.
        async with asyncio.timeout(120):
            while len(_read(log)[0]) < tokens:  # noqa: ASYNC110 - of other processes
                await asyncio.sleep(0.5)
        await asyncio.sleep(INTERVALS * interval)
        cpu = (await children[0].ask())["cpu"]
        killed_at = time.monotonic()
        await children[0].kill()
        await asyncio.sleep(INTERVALS * interval + ALLOWANCE)
        ended_at = time.monotonic()
        # Before the others stop: each hands its tokens over, and they are then polled at once.
        polls, unfinished = _read(log, children[0].pid)
        cpu += sum([(await child.ask())["cpu"] for child in children[1:]])
    return polls, unfinished, killed_at, ended_at, cpu


def _read(log: Path, killed: int = 0) -> tuple[dict[int, list[float]], set[tuple[int, float]]]:
    """Return when each token was polled, and those polls of the killed process of which no result was stored."""
    polls = defaultdict(list)
    unfinished: dict[int, float] = {}
    for line in log.read_text().splitlines():
        number, process, *at = line.split()
        token, is_killed = int(number), int(process) == killed
        if at:
            polls[token].append(float(at[0]))
            if is_killed:
                unfinished[token] = float(at[0])
        elif is_killed:
            del unfinished[token]
    return dict(polls), set(unfinished.items())
