"""Results of benchmarks."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class BenchmarkResult:
    """A measurement, its baseline, and whether the goal is met."""

    name: str
    measured: str
    baseline: str
    goal: str
    is_met: bool

    def __str__(self) -> str:
        verdict = "met" if self.is_met else "MISSED"
        return f"{self.name:<46} {self.measured:>24}   bare {self.baseline:<34} goal {self.goal}: {verdict}"


def scale_count(count: int, scale: float, *, minimum: int) -> int:
    """Scale a count, with a minimum; scale 0 is the smallest size."""
    return max(round(count * scale), minimum)


async def measure_seconds(act: Callable[[], Awaitable[object]]) -> float:
    """Return the seconds of one call."""
    started_at = time.perf_counter()
    await act()
    return time.perf_counter() - started_at


async def measure_interleaved(
    subject: Callable[[], Awaitable[object]], baseline: Callable[[], Awaitable[object]], times: int
) -> tuple[float, float]:
    """Return the median seconds of both calls, measured alternately so that load affects both alike."""
    for _ in range(max(times // 10, 3)):
        await subject()
        await baseline()
    pairs = [(await measure_seconds(subject), await measure_seconds(baseline)) for _ in range(times)]
    return median(first for first, _ in pairs), median(second for _, second in pairs)
