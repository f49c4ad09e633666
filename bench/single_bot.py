"""One bot on SQLite, compared with the last commit before several bots could share a database.

CPU of commands, of polls with changes, and at rest; CPU and time of the start; memory.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from statistics import median

from bench.command_cpu import (
    Reference,
    Subject,
    compare,
    compare_commands,
    compare_polls,
    earlier_program,
    running_bot,
)
from bench.environment import PROGRAM
from bench.idle_memory import megabytes
from bench.result import BenchmarkResult, scale_count

REFERENCE = Reference("759abc19", 1.05)
POLLS = 12
STARTS = 6
REST_SECONDS, RESTS = 4.0, 3


async def measure(scale: float = 1) -> list[BenchmarkResult]:
    if sys.platform != "linux":
        print("One bot: only Linux tells the CPU time of another process.")
        return []
    earlier = earlier_program(REFERENCE) if scale else None
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(running_bot(PROGRAM, http=True))
        old = await stack.enter_async_context(running_bot(earlier, http=True)) if earlier else None
        subjects = [subject for subject in (ours, old) if subject is not None]
        results = await compare_commands(ours, old, None, scale, "one bot", REFERENCE)
        results.append(await compare_polls(ours, old, scale_count(POLLS, scale, minimum=1), REFERENCE))
        rests = [
            await _rest(subjects, REST_SECONDS if scale else 1.5)
            for _ in range(scale_count(RESTS, scale, minimum=1))
        ]
        results.append(
            compare("CPU at rest for each poll, one bot", REFERENCE, *map(median, zip(*rests, strict=True)))
        )
        memory = [megabytes(subject.pid) for subject in subjects]
        starts = [
            [await _start(subject) for subject in subjects]
            for _ in range(scale_count(STARTS, scale, minimum=1))
        ]
    results.append(compare("CPU of the start, one bot", REFERENCE, *map(median, zip(*starts, strict=True))))
    results.append(_compare_memory(memory))
    return results


async def _rest(subjects: Sequence[Subject], seconds: float) -> list[float]:
    """Return the CPU of each subject while nothing happens but polls, for each poll."""
    began = [(subject.cpu(), len(subject.environment.bitrise.requests)) for subject in subjects]
    await asyncio.sleep(seconds)
    return [
        (subject.cpu() - cpu) / max(len(subject.environment.bitrise.requests) - requests, 1)
        for subject, (cpu, requests) in zip(subjects, began, strict=True)
    ]


async def _start(subject: Subject) -> float:
    """Start the bot again; return its CPU seconds until it is ready."""
    bot = subject.environment.bot
    await bot.stop()
    await bot.start()
    await bot.wait_for("ready")
    assert bot.pid is not None
    return Subject(subject.environment, bot.pid).cpu()


def _compare_memory(memory: Sequence[float]) -> BenchmarkResult:
    ours, *others = memory
    old = others[0] if others else None
    ratio = f", {ours / old:.2f} times" if old else ""
    return BenchmarkResult(
        "memory, one bot",
        f"{ours:.0f} MB{ratio}",
        f"{REFERENCE.commit} {old:.0f} MB" if old else "none in this run",
        f"at most {REFERENCE.goal} times {REFERENCE.commit}" if old else f"none without {REFERENCE.commit}",
        old is None or ours / old <= REFERENCE.goal,
    )
