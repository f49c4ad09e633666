"""Apps and builds: queued, running and finished, with growing logs and artifacts. State only.

Time is a parameter: `advance` moves every build to its state at that time.
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

# Default durations of a simulated build, at speed 1.
ON_HOLD = timedelta(seconds=20)
PREPARING = timedelta(seconds=40)
BUILDING = timedelta(minutes=4)
# A log is archived shortly after its build has finished (Bitrise's command line; focus-ios#2091).
ARCHIVED_AFTER = timedelta(seconds=10)
# There is no log until the worker starts to write it (Bitrise's command line waits up to 30 s).
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
    # Not every server has log summaries, and not every project has AI summaries enabled.
    has_log_summary: bool = False
    has_ai_summary: bool = False
    pipelines: Sequence[str] = ()
    branches: Sequence[str] = ("main",)


@dataclass(eq=False)
class Artifact:
    """An artifact of a build."""

    slug: str
    title: str
    kind: str
    content: bytes
    public: bool = False


@dataclass(eq=False)
class Build:
    """A build; it finishes as `ends_as` after the duration `building`, unless it is finished or aborted earlier."""

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
        """Return Bitrise's status number."""
        return STATUSES[self.result] if self.result else 0

    @property
    def is_on_hold(self) -> bool:
        """Return whether no worker has taken the build yet."""
        return self.result is None and self.started_at is None

    @property
    def status_text(self) -> str:
        """Return Bitrise's status text."""
        return self.result or ("on-hold" if self.is_on_hold else "in-progress")

    @property
    def artifacts(self) -> Sequence[Artifact]:
        """Return the artifacts: the deploy step is the last one, and only successful builds have any."""
        return self.planned_artifacts if self.result == "success" else ()

    def log(self, now: datetime) -> str:
        """Return the log as of now."""
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
        """Return the branch."""
        branch = self.params.get("branch")
        return str(branch) if branch else None

    def has_log(self, now: datetime) -> bool:
        """Return whether there is a log."""
        return self.started_at is not None and (
            self.prepared_at is not None or now - self.started_at >= LOG_AFTER
        )

    def is_archived(self, now: datetime) -> bool:
        """Return whether the full log is archived."""
        return self.finished_at is not None and now - self.finished_at >= ARCHIVED_AFTER

    def advance(self, now: datetime) -> None:
        """Move to the state at this time."""
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
        """Finish at this time; a build that has not started yet starts now."""
        self.advance(at)
        self.started_at = self.started_at or at
        self.prepared_at = self.prepared_at or at
        self.finished_at, self.result = at, result

    def abort(self, at: datetime, username: str, reason: str | None, *, with_success: bool) -> None:
        """Abort; Bitrise puts the reason into a sentence (seed documents' examples)."""
        self.finished_at = at
        self.result = "aborted-with-success" if with_success else "aborted"
        because = f" with reason: {reason}" if reason else "."
        self.abort_reason = f"User {username} requested to abort this build{because}"


@dataclass(eq=False)
class Pipeline:
    """A pipeline: each stage of workflows starts when the previous one has succeeded. An attempt is one run of it."""

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
        """Return Bitrise's status, derived from the builds."""
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
        """Return when the last build finished; None while the pipeline runs."""
        if self.status in ("running", "on_hold"):
            return None
        return max((build.finished_at for build in self.builds.values() if build.finished_at), default=None)


@dataclass(eq=False)
class BuildRequest:
    """A build of a pull request from outside that waits for approval; `decided_by` is a username."""

    app: App
    slug: str
    params: dict[str, Any]
    created_at: datetime
    decided_by: str = ""


@dataclass
class BitriseState:
    """All apps and builds; new ones run `speed` times as fast as real ones."""

    randomness: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - slugs, the same in every run
    apps: list[App] = field(default_factory=list)
    builds: list[Build] = field(default_factory=list)
    pipelines: list[Pipeline] = field(default_factory=list)
    requests: list[BuildRequest] = field(default_factory=list)
    # By app slug.
    webhooks: dict[str, list[OutgoingWebhook]] = field(default_factory=dict)
    caches: dict[str, list[CacheItem]] = field(default_factory=dict)
    speed: float = 1.0

    def add_app(self, title: str, owner: str, repo: str, **more: Any) -> App:
        """Add an app."""
        app = App(self.new_slug(), title, owner, repo, **more)
        self.apps.append(app)
        return app

    def start_build(
        self, app: App, params: dict[str, Any], at: datetime, *, triggered_by: str | None = None, **more: Any
    ) -> Build:
        """Add a build, on hold."""
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
                "on_hold": ON_HOLD / self.speed,
                "preparing": PREPARING / self.speed,
                "building": BUILDING / self.speed,
            }
            | more,
        )
        if not build.planned_artifacts:
            build.planned_artifacts = self._artifacts(build)
        self.builds.append(build)
        return build

    def advance(self, now: datetime) -> bool:
        """Advance all builds to this time; returns whether one of them changed."""
        previous = [build.status_text for build in self.builds]
        for build in self.builds:
            build.advance(now)
        for pipeline in self.pipelines:
            self._start_next_stage(pipeline, now)
        return previous != [build.status_text for build in self.builds]

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
        """Add a pipeline with its first stage on hold; `plan` sets the results of workflows that do not succeed."""
        number = max((build.number for build in self.builds if build.app is app), default=0) + 1
        pipeline = Pipeline(
            app,
            self.new_slug(),
            name,
            number,
            params,
            at,
            triggered_by,
            stages or [[workflow] for workflow in app.workflows],
        )
        pipeline.plan = dict(plan or {})
        self.pipelines.append(pipeline)
        self.start_attempt(pipeline, at)
        return pipeline

    def start_attempt(self, pipeline: Pipeline, at: datetime, *, failed_only: bool = False) -> None:
        """Start an attempt: everything, or with `failed_only` what has not succeeded and all that follows."""
        pipeline.attempts.append(self.new_slug())
        pipeline.attempts_at.append(at)
        pipeline.abort_reason = None
        previous = pipeline.builds if failed_only else {}
        pipeline.builds = {name: build for name, build in previous.items() if build.result == "success"}
        self._start_next_stage(pipeline, at)

    def _start_next_stage(self, pipeline: Pipeline, now: datetime) -> None:
        """Start the next stage if the previous one has succeeded."""
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

    def builds_of(self, app: App) -> list[Build]:
        """Return the app's builds, newest first."""
        return [build for build in self.builds_newest_first() if build.app is app]

    def builds_newest_first(self) -> list[Build]:
        """Return all builds, newest first."""
        return sorted(self.builds, key=lambda build: (build.triggered_at, build.order), reverse=True)

    def new_slug(self) -> str:
        """Return 16 hexadecimal digits."""
        return f"{self.randomness.getrandbits(64):016x}"

    def _artifacts(self, build: Build) -> list[Artifact]:
        name = build.app.repo
        size = 20_000 + self.randomness.randrange(60_000)
        return [
            Artifact(self.new_slug(), f"{name}.apk", "android-apk", bytes(size), public=True),
            Artifact(self.new_slug(), "test-results.xml", "file", b"<testsuites/>\n" * 40),
        ]
