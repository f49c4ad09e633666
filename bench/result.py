"""One line of a benchmark's result."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class BenchmarkResult:
    """What was measured, its baseline, and whether the goal is met."""

    name: str
    ours: str
    bare: str
    goal: str
    met: bool

    def __str__(self) -> str:
        verdict = "met" if self.met else "MISSED"
        return f"{self.name:<46} {self.ours:>24}   bare {self.bare:<34} goal {self.goal}: {verdict}"


def scaled(count: int, scale: float, *, least: int) -> int:
    """So much of what is counted when all is measured, but at least so much; a scale of 0 is the smallest size."""
    return max(round(count * scale), least)


async def measure_seconds(act: Callable[[], Awaitable[object]]) -> float:
    """How long it takes, once."""
    began = time.perf_counter()
    await act()
    return time.perf_counter() - began


async def measure_interleaved(
    ours: Callable[[], Awaitable[object]], bare: Callable[[], Awaitable[object]], times: int
) -> tuple[float, float]:
    """The median seconds of both, taken in turns, so that the machine's moods hit both alike."""
    for _ in range(max(times // 10, 3)):
        await ours()
        await bare()
    pairs = [(await measure_seconds(ours), await measure_seconds(bare)) for _ in range(times)]
    return median(first for first, _ in pairs), median(second for _, second in pairs)
