"""Series of builds: what a result means after the ones before it. Pure; no I/O.

A series is an app, a workflow and a branch; the builds of tags, which have no branch, are one series a workflow.
Aborted builds do not count in it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Self

from domain.build import Build, BuildState, FrozenModel, RunKind
from domain.build_author import authors


class StreakPosition(StrEnum):
    """What an end is in its series.

    NOT_COUNTED: aborted, or in a state without a word. OVERTAKEN: a newer build of the series has ended before.
    """

    BROKEN = "broken"
    STILL_FAILING = "still-failing"
    FIXED = "fixed"
    STILL_PASSING = "still-passing"
    NOT_COUNTED = "not-counted"
    OVERTAKEN = "overtaken"


class BuildSummary(FrozenModel):
    """What is remembered of a build that a series turned at. `by` is the first of its `authors`.

    `label` is what a build of another kind is called, whose number says too little.
    """

    slug: str
    label: str | None = None
    number: int | None = None
    url: str
    commit_hash: str | None = None
    commit_url: str | None = None
    subject: str | None = None
    by: str | None = None
    at: datetime | None = None

    @classmethod
    def of(cls, build: Build) -> Self:
        """The mark that this build leaves."""
        subject = (build.commit_message or "").strip().split("\n", 1)[0]
        return cls(
            slug=build.slug,
            label=build.label or build.kind.value if build.kind is not RunKind.BUILD else None,
            number=build.number,
            url=build.url,
            commit_hash=build.commit_hash,
            commit_url=build.commit_url,
            subject=subject[:200] or None,
            by=next(iter(authors(build)), None),
            at=build.finished_at,
        )


class Streak(FrozenModel):
    """How a series stands: its last passed build, and the first failed one since with how many have failed."""

    newest: int | None = None
    green: BuildSummary | None = None
    red: BuildSummary | None = None
    failures: int = 0


class StreakState(FrozenModel):
    """A build's place in its series.

    `green` is the last build that passed before it, `red` the first that failed since (this one, where it broke the
    series), `failures` how many have failed in a row with this one; for a fix, `red` and `failures` are what it ended.
    """

    position: StreakPosition
    green: BuildSummary | None = None
    red: BuildSummary | None = None
    failures: int = 0


def streak_key(build: Build) -> tuple[str, str]:
    """What names the build's series within its app: workflow and branch."""
    return build.workflow or "", build.branch or ""


def advance(series: Streak, build: Build) -> tuple[Streak, StreakState]:
    """The series after this end, and the build's place in it."""
    if build.state not in (BuildState.SUCCEEDED, BuildState.FAILED):
        return series, StreakState(position=StreakPosition.NOT_COUNTED, green=series.green, red=series.red)
    if build.number is not None and series.newest is not None and build.number < series.newest:
        # It says nothing about the series as it stands: a newer build has told already.
        return series, StreakState(position=StreakPosition.OVERTAKEN)
    mark = BuildSummary.of(build)
    if build.state is BuildState.FAILED:
        red, failures = series.red or mark, series.failures + 1
        position = StreakPosition.BROKEN if series.red is None else StreakPosition.STILL_FAILING
        after = Streak(newest=build.number, green=series.green, red=red, failures=failures)
        return after, StreakState(position=position, green=series.green, red=red, failures=failures)
    position = StreakPosition.STILL_PASSING if series.red is None else StreakPosition.FIXED
    return Streak(newest=build.number, green=mark), StreakState(
        position=position, green=series.green, red=series.red, failures=series.failures
    )
