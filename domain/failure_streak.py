"""Failure streaks: what a result means after the ones before it. Pure; no I/O.

A streak belongs to an app, a workflow and a branch; builds of tags, which have no branch, share one per workflow.
Aborted builds do not count.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Self

from domain.build import Build, BuildState, FrozenModel, RunKind
from domain.build_author import authors


class StreakPosition(StrEnum):
    """The position of an ended build in its streak.

    NOT_COUNTED: aborted, or in an unknown state. OVERTAKEN: a newer build of the streak ended before it.
    """

    BROKEN = "broken"
    STILL_FAILING = "still-failing"
    FIXED = "fixed"
    STILL_PASSING = "still-passing"
    NOT_COUNTED = "not-counted"
    OVERTAKEN = "overtaken"


class BuildSummary(FrozenModel):
    """A summary of the build at which a streak began or ended. `by` is the first of its `authors`.

    `label` is set for other kinds of runs, whose number alone is not enough.
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
        """Summarize a build."""
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
    """The state of a streak: the last passed build, the first failed one since, and how many have failed."""

    newest: int | None = None
    green: BuildSummary | None = None
    red: BuildSummary | None = None
    failures: int = 0


class StreakState(FrozenModel):
    """A build's position in its streak.

    `green` is the last build that passed before it, `red` the first that failed since (this one, if it is the first
    failure), `failures` how many have failed in a row including this one; for a fix, they describe the ended streak.
    """

    position: StreakPosition
    green: BuildSummary | None = None
    red: BuildSummary | None = None
    failures: int = 0


def streak_key(build: Build) -> tuple[str, str]:
    """Return the key of the build's streak within its app: workflow and branch."""
    return build.workflow or "", build.branch or ""


def advance(streak: Streak, build: Build) -> tuple[Streak, StreakState]:
    """Return the streak after this build has ended, and the build's position in it."""
    if build.state not in (BuildState.SUCCEEDED, BuildState.FAILED):
        return streak, StreakState(position=StreakPosition.NOT_COUNTED, green=streak.green, red=streak.red)
    if build.number is not None and streak.newest is not None and build.number < streak.newest:
        # A newer build has already determined the state of the streak.
        return streak, StreakState(position=StreakPosition.OVERTAKEN)
    summary = BuildSummary.of(build)
    if build.state is BuildState.FAILED:
        red, failures = streak.red or summary, streak.failures + 1
        position = StreakPosition.BROKEN if streak.red is None else StreakPosition.STILL_FAILING
        after = Streak(newest=build.number, green=streak.green, red=red, failures=failures)
        return after, StreakState(position=position, green=streak.green, red=red, failures=failures)
    position = StreakPosition.STILL_PASSING if streak.red is None else StreakPosition.FIXED
    return Streak(newest=build.number, green=summary), StreakState(
        position=position, green=streak.green, red=streak.red, failures=streak.failures
    )
