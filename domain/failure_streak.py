"""Series of builds: what a result means after the ones before it. Pure; no I/O.

A series is an app, a workflow and a branch; the builds of tags, which have no branch, are one series a workflow.
Aborted builds do not count in it.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Self

from domain.build import Build, Frozen, Kind, State
from domain.build_author import authors


class Position(StrEnum):
    """What an end is in its series.

    NOT_COUNTED: aborted, or in a state without a word. OVERTAKEN: a newer build of the series has ended before.
    """

    BROKEN = "broken"
    STILL_FAILING = "still-failing"
    FIXED = "fixed"
    STILL_PASSING = "still-passing"
    NOT_COUNTED = "not-counted"
    OVERTAKEN = "overtaken"


class Mark(Frozen):
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
            label=build.label or build.kind.value if build.kind is not Kind.BUILD else None,
            number=build.number,
            url=build.url,
            commit_hash=build.commit_hash,
            commit_url=build.commit_url,
            subject=subject[:200] or None,
            by=next(iter(authors(build)), None),
            at=build.finished_at,
        )


class Series(Frozen):
    """How a series stands: its last passed build, and the first failed one since with how many have failed."""

    newest: int | None = None
    green: Mark | None = None
    red: Mark | None = None
    failures: int = 0


class Standing(Frozen):
    """A build's place in its series.

    `green` is the last build that passed before it, `red` the first that failed since (this one, where it broke the
    series), `failures` how many have failed in a row with this one; for a fix, `red` and `failures` are what it ended.
    """

    position: Position
    green: Mark | None = None
    red: Mark | None = None
    failures: int = 0


def key_of(build: Build) -> tuple[str, str]:
    """What names the build's series within its app: workflow and branch."""
    return build.workflow or "", build.branch or ""


def advance(series: Series, build: Build) -> tuple[Series, Standing]:
    """The series after this end, and the build's place in it."""
    if build.state not in (State.SUCCEEDED, State.FAILED):
        return series, Standing(position=Position.NOT_COUNTED, green=series.green, red=series.red)
    if build.number is not None and series.newest is not None and build.number < series.newest:
        # It says nothing about the series as it stands: a newer build has told already.
        return series, Standing(position=Position.OVERTAKEN)
    mark = Mark.of(build)
    if build.state is State.FAILED:
        red, failures = series.red or mark, series.failures + 1
        position = Position.BROKEN if series.red is None else Position.STILL_FAILING
        after = Series(newest=build.number, green=series.green, red=red, failures=failures)
        return after, Standing(position=position, green=series.green, red=red, failures=failures)
    position = Position.STILL_PASSING if series.red is None else Position.FIXED
    return Series(newest=build.number, green=mark), Standing(
        position=position, green=series.green, red=series.red, failures=series.failures
    )
