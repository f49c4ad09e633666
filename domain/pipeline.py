"""Pipelines: several workflows that belong together, in stages. Pure; no I/O."""

from __future__ import annotations

from datetime import datetime

from domain.build import BuildState, FrozenModel, PipelineRef
from domain.provider import Provider


class PipelineWorkflow(FrozenModel):
    """One workflow of a pipeline; `build_slug` is its build once it has one, and that build refers to `id`."""

    name: str
    state: BuildState
    id: str | None = None
    build_slug: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    problem: str | None = None


class Stage(FrozenModel):
    """Workflows that run in parallel; a stage without a name is named by its position."""

    name: str
    workflows: tuple[PipelineWorkflow, ...] = ()


class Pipeline(FrozenModel):
    """One attempt of a pipeline. A rebuild makes a new attempt of the same pipeline, so its end is not final."""

    provider: Provider
    app_slug: str
    id: str
    name: str
    number: int | None = None
    state: BuildState
    attempt: int = 1
    rebuildable: bool = False
    branch: str | None = None
    tag: str | None = None
    commit_hash: str | None = None
    commit_message: str | None = None
    pull_request: int | None = None
    triggered_by: str | None = None
    triggered_at: datetime | None = None
    attempt_triggered_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    abort_reason: str | None = None
    stages: tuple[Stage, ...] = ()
    url: str

    @property
    def began(self) -> datetime | None:
        """The start of this attempt, or of its wait: `triggered_at` and `started_at` may be those of the first one."""
        times = (self.attempt_triggered_at, self.started_at or self.triggered_at)
        return max((time for time in times if time is not None), default=None)

    @property
    def ended(self) -> bool:
        """Return whether this attempt has ended."""
        return self.state.ended

    @property
    def label(self) -> str:
        """The name that people use."""
        return f"#{self.number}" if self.number is not None else self.id

    @property
    def workflows(self) -> tuple[PipelineWorkflow, ...]:
        """All its workflows, in the order of their stages."""
        return tuple(workflow for stage in self.stages for workflow in stage.workflows)

    @property
    def ref(self) -> PipelineRef:
        """The reference that a build of this attempt carries."""
        return PipelineRef(id=self.id, attempt=self.attempt, ended=self.ended)
