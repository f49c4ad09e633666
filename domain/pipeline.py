"""What a pipeline is: several workflows that belong together, in stages. Pure; no I/O."""

from __future__ import annotations

from datetime import datetime

from domain.build import BuildState, FrozenModel, PipelineRef
from domain.provider import UNNAMED_PROVIDER, Provider


class PipelineWorkflow(FrozenModel):
    """One workflow of a pipeline; `build_slug` names its build once it has one, and its build names `id`."""

    name: str
    state: BuildState
    id: str | None = None
    build_slug: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    problem: str | None = None


class Stage(FrozenModel):
    """Workflows that run side by side; one without a name of its own is known by its place."""

    name: str
    workflows: tuple[PipelineWorkflow, ...] = ()


class Pipeline(FrozenModel):
    """One attempt of a pipeline. A rebuild makes a new attempt of the same pipeline, so its end is not final."""

    provider: Provider = UNNAMED_PROVIDER
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
        """When this attempt began to run, or to wait: `triggered_at` and `started_at` may be those of the first one."""
        known = (self.attempt_triggered_at, self.started_at or self.triggered_at)
        return max((one for one in known if one is not None), default=None)

    @property
    def ended(self) -> bool:
        """Whether this attempt is over."""
        return self.state.ended

    @property
    def label(self) -> str:
        """How people name it."""
        return f"#{self.number}" if self.number is not None else self.id

    @property
    def workflows(self) -> tuple[PipelineWorkflow, ...]:
        """All its workflows, in the order of their stages."""
        return tuple(one for stage in self.stages for one in stage.workflows)

    @property
    def ref(self) -> PipelineRef:
        """What a build of it carries."""
        return PipelineRef(id=self.id, attempt=self.attempt, ended=self.ended)
