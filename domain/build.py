"""Apps and builds of both providers: states, times, usual duration, builds that wait for approval. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median
from typing import Any

from pydantic import BaseModel, ConfigDict

from domain.provider import Provider


class BuildState(StrEnum):
    """The state of a build. UNKNOWN is a state that this version of the bot does not know."""

    ON_HOLD = "on-hold"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABORTED = "aborted"
    ABORTED_WITH_SUCCESS = "aborted-with-success"
    UNKNOWN = "unknown"

    @property
    def ended(self) -> bool:
        """Return whether this state is final."""
        return self in ENDED

    @property
    def aborted(self) -> bool:
        """Return whether the build was stopped, counted as a success or not."""
        return self in (BuildState.ABORTED, BuildState.ABORTED_WITH_SUCCESS)


ENDED = frozenset(
    {BuildState.SUCCEEDED, BuildState.FAILED, BuildState.ABORTED, BuildState.ABORTED_WITH_SUCCESS}
)
OPEN = frozenset({BuildState.ON_HOLD, BuildState.RUNNING, BuildState.UNKNOWN})


class FrozenModel(BaseModel):
    """Immutable data; unknown fields of a provider's response are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class RunKind(StrEnum):
    """The kind of a run: a build, a deployment of an app, or a process of an app that went down or up again."""

    BUILD = "build"
    DEPLOYMENT = "deployment"
    DYNO = "dyno"


class App(FrozenModel):
    """A provider's app. `owner` and `repo` name its repository if it has one."""

    provider: Provider
    slug: str
    title: str
    owner: str | None = None
    repo: str | None = None
    repo_url: str | None = None
    project_type: str | None = None
    disabled: bool = False
    public: bool | None = None

    @property
    def repository(self) -> str | None:
        """`owner/repo`, or None if either is unknown."""
        return f"{self.owner}/{self.repo}" if self.owner and self.repo else None


class PipelineRef(FrozenModel):
    """The pipeline attempt that a build belongs to; `ended` as of the last poll that saw it."""

    id: str
    attempt: int = 1
    ended: bool = False

    @property
    def key(self) -> str:
        """The name of this attempt."""
        return f"{self.id} {self.attempt}"


class Build(FrozenModel):
    """One run for an app.

    Bitrise always sets `triggered_at`; the other times are None until the build has reached that point (Bitrise API
    v0.1, "Build times"), and a build aborted on hold has only `finished_at`. `params` are the parameters that the
    build was started with, and that start it again.

    For other kinds, `number` is the deployment's version and `workflow` names the process. `said` is our text for a
    state that needs more explanation, `problem` the provider's own text about a failure. The `url` may be empty.
    """

    provider: Provider
    kind: RunKind = RunKind.BUILD
    app_slug: str
    slug: str
    number: int | None = None
    state: BuildState
    branch: str | None = None
    target_branch: str | None = None
    tag: str | None = None
    workflow: str | None = None
    commit_hash: str | None = None
    commit_message: str | None = None
    commit_url: str | None = None
    pull_request: int | None = None
    pull_request_url: str | None = None
    triggered_by: str | None = None
    triggered_at: datetime | None = None
    started_at: datetime | None = None
    prepared_at: datetime | None = None
    finished_at: datetime | None = None
    abort_reason: str | None = None
    abort_kind: str | None = None
    pipeline_id: str | None = None
    pipeline: PipelineRef | None = None
    url: str
    params: dict[str, Any] | None = None
    said: str | None = None
    problem: str | None = None

    @property
    def ended(self) -> bool:
        """Return whether the build has ended; one in an unknown state has ended once it has a finish time."""
        return self.state.ended or (self.state is BuildState.UNKNOWN and self.finished_at is not None)

    @property
    def label(self) -> str:
        """The name that people use: `#19`, or the slug without a number; `v12` for a deployment, `web.1` a process."""
        match self.kind:
            case RunKind.DEPLOYMENT:
                return f"v{self.number}" if self.number is not None else (self.commit_hash or "")[:8]
            case RunKind.DYNO:
                return self.workflow or ""
            case _:
                return f"#{self.number}" if self.number is not None else self.slug


def time_on_hold(build: Build) -> timedelta | None:
    """Return how long the build waited for a worker; None until it was taken by one.

    A build aborted on hold waited until its end (Bitrise API v0.1, "Build times": the difference of
    `started_on_worker_at` and `triggered_at`).
    """
    never_started = build.finished_at if build.prepared_at is None else None
    return _duration(build.triggered_at, build.started_at or never_started)


def time_preparing(build: Build) -> timedelta | None:
    """Return how long preparing the environment took; None before it is ready, or if the build was aborted before."""
    return _duration(build.started_at, build.prepared_at)


def time_building(build: Build) -> timedelta | None:
    """Return how long the build itself ran; None until it has ended.

    Excludes the time on hold and the environment preparation (Bitrise API v0.1, "Build times":
    the difference of `finished_at` and `environment_prepare_finished_at`).
    """
    return _duration(build.prepared_at, build.finished_at)


def _duration(start: datetime | None, end: datetime | None) -> timedelta | None:
    if start is None or end is None:
        return None
    # The documents' own examples have a rounded start that is off from the unrounded trigger, in both directions.
    return max(end - start, timedelta(0))


class BuildChange(FrozenModel):
    """A build that went from one state to another, as the poller saw it; `was` is None for a build not seen before."""

    build: Build
    was: BuildState | None


class BuildRequest(FrozenModel):
    """The build to approve and its pull request, as far as Bitrise reports them."""

    provider: Provider
    app_slug: str
    slug: str
    pull_request: int | None = None
    pull_request_url: str | None = None
    branch: str | None = None
    target_branch: str | None = None
    commit_hash: str | None = None
    commit_message: str | None = None
    author: str | None = None
    created_at: datetime | None = None

    def as_build(self) -> Build:
        """Return it as a build, so that filters can be applied."""
        return Build(
            provider=self.provider,
            app_slug=self.app_slug,
            slug=self.slug,
            state=BuildState.ON_HOLD,
            branch=self.branch,
            target_branch=self.target_branch,
            pull_request=self.pull_request,
            triggered_by=f"webhook-github/{self.author}" if self.author else "webhook",
            url=self.pull_request_url or "",
        )


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
