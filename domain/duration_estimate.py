"""How long builds of a workflow and branch usually take. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from statistics import median

from domain.build import Build, BuildState

# The latest successes that are looked at; fewer than the least say nothing of what is usual.
MOST_SUCCESSES = 10
FEWEST_SUCCESSES = 2


def time_on_worker(build: Build) -> timedelta | None:
    """How long a worker was busy with the build: preparing and building; None until it has ended."""
    if build.started_at is None or build.finished_at is None:
        return None
    return max(build.finished_at - build.started_at, timedelta(0))


def usual_time(builds: Sequence[Build]) -> timedelta | None:
    """The median time on a worker of the successes among these builds; None where there are too few.

    Only successes: a build that fails or is aborted says when it broke, not how long its work takes.
    """
    taken = [
        spent.total_seconds()
        for build in builds
        if build.state is BuildState.SUCCEEDED and (spent := time_on_worker(build)) is not None
    ]
    return timedelta(seconds=median(taken)) if len(taken) >= FEWEST_SUCCESSES else None
