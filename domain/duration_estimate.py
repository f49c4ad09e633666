"""Estimate of how long builds of a workflow and branch usually take. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from statistics import median

from domain.build import Build, BuildState

# How many of the latest successes count, and how few are too few for an estimate.
MAX_SUCCESSES = 10
FEWEST_SUCCESSES = 2


def time_on_worker(build: Build) -> timedelta | None:
    """Return how long the build occupied a worker, preparing and building; None until it has ended."""
    if build.started_at is None or build.finished_at is None:
        return None
    return max(build.finished_at - build.started_at, timedelta(0))


def usual_time(builds: Sequence[Build]) -> timedelta | None:
    """Return the median time on a worker of the successes among these builds; None if there are too few.

    Only successes count: the time of a failed or aborted build shows when it broke, not how long its work takes.
    """
    durations = [
        duration.total_seconds()
        for build in builds
        if build.state is BuildState.SUCCEEDED and (duration := time_on_worker(build)) is not None
    ]
    return timedelta(seconds=median(durations)) if len(durations) >= FEWEST_SUCCESSES else None
