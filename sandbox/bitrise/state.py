"""Apps and builds that live: queued, running, ending, with logs that grow and artifacts that appear. State alone.

Time is a parameter: `advance` carries every build to where it would be by then.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sandbox.bitrise.app_resources import CacheItem, OutgoingWebhook
from sandbox.bitrise.log_text import render_log

Result = Literal["success", "error", "aborted", "aborted-with-success"]
STATUSES: Mapping[Result, int] = {"success": 1, "error": 2, "aborted": 3, "aborted-with-success": 4}

# How long each part of a simulated build takes, in its own seconds.
ON_HOLD = timedelta(seconds=20)
PREPARING = timedelta(seconds=40)
BUILDING = timedelta(minutes=4)
# A log is archived a little after its build has ended (Bitrise's command line; focus-ios#2091).
ARCHIVED_AFTER = timedelta(seconds=10)
# There is no log at all until the worker has begun to write one (Bitrise's command line waits up to 30 s).
LOG_AFTER = timedelta(seconds=5)


@dataclass(eq=False)
class App:
    """An app."""

    slug: str
    title: str
    owner: str
    repo: str
    project_type: str = "android"
    disabled: bool = False
    public: bool = True
    workflows: Sequence[str] = ("primary", "deploy")
    # Not every server knows the summary of a log's steps, and not every project has AI summaries switched on.
    sums_up: bool = False
    explains: bool = False
    pipelines: Sequence[str] = ()
    branches: Sequence[str] = ("main",)


@dataclass(eq=False)
class Artifact:
    """A file that a build leaves behind."""

    slug: str
    title: str
    kind: str
    content: bytes
    public: bool = False


@dataclass(eq=False)
class Build:
    """A build, with the plan of its life: `ends_as` after `building`, unless somebody intervenes."""

    app: App
    slug: str
    number: int
    params: dict[str, Any]
    triggered_at: datetime
    triggered_by: str | None
    workflow: str
    ends_as: Result | None = "success"
    on_hold: timedelta = ON_HOLD
    preparing: timedelta = PREPARING
    building: timedelta = BUILDING
    started_at: datetime | None = None
    prepared_at: datetime | None = None
    finished_at: datetime | None = None
    result: Result | None = None
    abort_reason: str | None = None
    planned_artifacts: Sequence[Artifact] = ()
    order: int = 0
    notified: bool = True
    crashes: bool = False
    pipeline: Pipeline | None = None

    @property
    def status(self) -> int:
        """Bitrise's number."""
        return STATUSES[self.result] if self.result else 0

    @property
    def is_on_hold(self) -> bool:
        """Whether no worker has taken it."""
        return self.result is None and self.started_at is None

    @property
    def status_text(self) -> str:
        """Bitrise's word."""
        return self.result or ("on-hold" if self.is_on_hold else "in-progress")

    @property
    def artifacts(self) -> Sequence[Artifact]:
        """What it has left behind so far: the deploy step comes last, and only in a build that succeeds."""
        return self.planned_artifacts if self.result == "success" else ()

    def log(self, now: datetime) -> str:
        """What has been written by now."""
        if self.prepared_at is None:
            return ""
        until = self.finished_at or now
        share = min((until - self.prepared_at) / self.building, 1.0) if self.building else 1.0
        return render_log(
            self.workflow,
            self.branch or "main",
            self.prepared_at,
            share=share,
            result=self.result,
            crash=self.crashes,
        )

    @property
    def branch(self) -> str | None:
        """The branch that is built."""
        branch = self.params.get("branch")
        return str(branch) if branch else None

    def has_log(self, now: datetime) -> bool:
        """Whether there is any log."""
        return self.started_at is not None and (
            self.prepared_at is not None or now - self.started_at >= LOG_AFTER
        )

    def is_archived(self, now: datetime) -> bool:
        """Whether the whole log can be fetched."""
        return self.finished_at is not None and now - self.finished_at >= ARCHIVED_AFTER

    def advance(self, now: datetime) -> None:
        """Live until now."""
        if self.result is not None:
            return
        if self.started_at is None and now >= self.triggered_at + self.on_hold:
            self.started_at = self.triggered_at + self.on_hold
        if (
            self.started_at is not None
            and self.prepared_at is None
            and now >= self.started_at + self.preparing
        ):
            self.prepared_at = self.started_at + self.preparing
        if self.prepared_at is not None and self.ends_as and now >= self.prepared_at + self.building:
            self.finished_at, self.result = self.prepared_at + self.building, self.ends_as

    def finish(self, result: Result, at: datetime) -> None:
        """End now, as its steps would; what has not begun by then begins at once."""
        self.advance(at)
        self.started_at = self.started_at or at
        self.prepared_at = self.prepared_at or at
        self.finished_at, self.result = at, result

    def abort(self, at: datetime, who: str, reason: str | None, *, with_success: bool) -> None:
        """Be aborted: Bitrise makes a sentence of the reason (seed documents' examples)."""
        self.finished_at = at
        self.result = "aborted-with-success" if with_success else "aborted"
        because = f" with reason: {reason}" if reason else "."
        self.abort_reason = f"User {who} requested to abort this build{because}"


@dataclass(eq=False)
class Pipeline:
    """A pipeline: stages of workflows, each begun when the one before it has succeeded. An attempt is a run of it."""

    app: App
    slug: str
    name: str
    number: int
    params: dict[str, Any]
    triggered_at: datetime
    triggered_by: str | None
    stages: Sequence[Sequence[str]]
    attempts: list[str] = field(default_factory=list)
    attempts_at: list[datetime] = field(default_factory=list)
    builds: dict[str, Build] = field(default_factory=dict)
    abort_reason: str | None = None
    plan: dict[str, Result] = field(default_factory=dict)

    @property
    def status(self) -> str:
        """Bitrise's word, from those of its builds."""
        found = [build.result for build in self.builds.values()]
        if self.abort_reason is not None and None not in found:
            return "aborted"
        if "error" in found and None not in found:
            return "failed"
        if None not in found and len(found) == sum(len(stage) for stage in self.stages):
            return "succeeded"
        return "running" if any(build.started_at for build in self.builds.values()) else "on_hold"

    @property
    def finished_at(self) -> datetime | None:
        """When its last build ended, if all is over."""
        if self.status in ("running", "on_hold"):
            return None
        return max((build.finished_at for build in self.builds.values() if build.finished_at), default=None)


@dataclass(eq=False)
class BuildRequest:
    """A build of a stranger's pull request, held until somebody approves it or not: `decided_by`, a username."""

    app: App
    slug: str
    params: dict[str, Any]
    created_at: datetime
    decided_by: str = ""


@dataclass
class BitriseState:
    """All apps and builds; new ones live `pace` times as fast as real ones."""

    randomness: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - slugs, the same in every run
    apps: list[App] = field(default_factory=list)
    builds: list[Build] = field(default_factory=list)
    pipelines: list[Pipeline] = field(default_factory=list)
    requests: list[BuildRequest] = field(default_factory=list)
    # By an app's slug.
    webhooks: dict[str, list[OutgoingWebhook]] = field(default_factory=dict)
    caches: dict[str, list[CacheItem]] = field(default_factory=dict)
    pace: float = 1.0

    def add_app(self, title: str, owner: str, repo: str, **more: Any) -> App:
        """A new app."""
        app = App(self.new_slug(), title, owner, repo, **more)
        self.apps.append(app)
        return app

    def start_build(
        self, app: App, params: dict[str, Any], at: datetime, *, triggered_by: str | None = None, **more: Any
    ) -> Build:
        """A new build, on hold."""
        number = max((build.number for build in self.builds if build.app is app), default=0) + 1
        build = Build(
            app,
            self.new_slug(),
            number,
            params,
            at,
            triggered_by,
            str(params.get("workflow_id") or app.workflows[0]),
            order=len(self.builds),
            **{
                "on_hold": ON_HOLD / self.pace,
                "preparing": PREPARING / self.pace,
                "building": BUILDING / self.pace,
            }
            | more,
        )
        if not build.planned_artifacts:
            build.planned_artifacts = self._artifacts(build)
        self.builds.append(build)
        return build

    def advance(self, now: datetime) -> bool:
        """Let every build live until now; returns whether one of them came further."""
        before = [build.status_text for build in self.builds]
        for build in self.builds:
            build.advance(now)
        for pipeline in self.pipelines:
            self._go_on(pipeline, now)
        return before != [build.status_text for build in self.builds]

    def start_pipeline(
        self,
        app: App,
        name: str,
        params: dict[str, Any],
        at: datetime,
        *,
        triggered_by: str | None = None,
        stages: Sequence[Sequence[str]] | None = None,
        plan: Mapping[str, Result] | None = None,
    ) -> Pipeline:
        """A new pipeline, with its first stage on hold; `plan` says how workflows end that do not succeed."""
        number = max((build.number for build in self.builds if build.app is app), default=0) + 1
        pipeline = Pipeline(
            app,
            self.new_slug(),
            name,
            number,
            params,
            at,
            triggered_by,
            stages or [[one] for one in app.workflows],
        )
        pipeline.plan = dict(plan or {})
        self.pipelines.append(pipeline)
        self.start_attempt(pipeline, at)
        return pipeline

    def start_attempt(self, pipeline: Pipeline, at: datetime, *, failed_only: bool = False) -> None:
        """Run a pipeline: all of it, or what has not succeeded and what comes after."""
        pipeline.attempts.append(self.new_slug())
        pipeline.attempts_at.append(at)
        pipeline.abort_reason = None
        kept = pipeline.builds if failed_only else {}
        pipeline.builds = {name: build for name, build in kept.items() if build.result == "success"}
        self._go_on(pipeline, at)

    def _go_on(self, pipeline: Pipeline, now: datetime) -> None:
        """Begin the next stage where the one before it has succeeded."""
        for stage in pipeline.stages:
            if pipeline.abort_reason is not None:
                return
            for name in stage:
                if name not in pipeline.builds:
                    pipeline.builds[name] = self.start_build(
                        pipeline.app,
                        {**pipeline.params, "workflow_id": name},
                        now,
                        triggered_by=pipeline.triggered_by,
                        pipeline=pipeline,
                        ends_as=pipeline.plan.get(name, "success"),
                    )
            if not all(pipeline.builds[name].result == "success" for name in stage):
                return

    def of_app(self, app: App) -> list[Build]:
        """An app's builds, newest first."""
        return [build for build in self.newest_first() if build.app is app]

    def newest_first(self) -> list[Build]:
        """All builds, newest first."""
        return sorted(self.builds, key=lambda build: (build.triggered_at, build.order), reverse=True)

    def new_slug(self) -> str:
        """Sixteen hex digits."""
        return f"{self.randomness.getrandbits(64):016x}"

    def _artifacts(self, build: Build) -> list[Artifact]:
        name = build.app.repo
        size = 20_000 + self.randomness.randrange(60_000)
        return [
            Artifact(self.new_slug(), f"{name}.apk", "android-apk", bytes(size), public=True),
            Artifact(self.new_slug(), "test-results.xml", "file", b"<testsuites/>\n" * 40),
        ]
