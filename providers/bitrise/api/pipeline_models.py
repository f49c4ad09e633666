"""Models of Bitrise's pipeline responses. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel

from domain.build import BuildState
from domain.pipeline import Pipeline, PipelineWorkflow, Stage
from providers.bitrise.provider import BITRISE
from providers.http.field_parsing import Flag, Maybe, MaybeSlug, Number, Slug, Text, Time, parse_number

# API v0.1, "pipeline-show"; workflow states have the same names.
_STATES = {
    "initializing": BuildState.ON_HOLD,
    "on_hold": BuildState.ON_HOLD,
    "running": BuildState.RUNNING,
    "succeeded": BuildState.SUCCEEDED,
    "failed": BuildState.FAILED,
    "aborted": BuildState.ABORTED,
    "succeeded_with_abort": BuildState.ABORTED_WITH_SUCCESS,
}
# States of a workflow that has not started, or never will.
_NOT_STARTED = frozenset({"", "initializing", "not_started", "on_hold", "skipped", "waiting"})


class PipelineItem(BaseModel):
    """An entry of the list of pipelines, which also contains builds outside of pipelines."""

    slug: Slug
    build_number: Number = None
    is_pipeline: Flag = None
    triggered_workflow: Text = None


class AttemptItem(BaseModel):
    """An attempt of a pipeline."""

    id: Text = None
    number_in_pipeline_build_scope: Number = None
    triggered_at: Time = None


class WorkflowItem(BaseModel):
    """A workflow of a pipeline; `external_id` is its build's slug."""

    id: Text = None
    external_id: MaybeSlug = None
    name: Text = None
    status: Text = None
    depends_on: Maybe[list[str]] = None
    started_at: Time = None
    finished_at: Time = None
    startFailureReason: Text = None  # noqa: N815 - Bitrise's own spelling, only here

    def as_workflow(self) -> PipelineWorkflow:
        """Convert it to a PipelineWorkflow."""
        status = self.status or ""
        return PipelineWorkflow(
            name=self.name or self.id or "?",
            state=BuildState.ON_HOLD if status in _NOT_STARTED else _STATES.get(status, BuildState.UNKNOWN),
            id=self.id,
            build_slug=self.external_id,
            started_at=self.started_at,
            finished_at=self.finished_at,
            problem=self.startFailureReason,
        )


class StageItem(BaseModel):
    """A stage of a pipeline."""

    name: Text = None
    workflows: Maybe[list[WorkflowItem]] = None


class ParamsItem(BaseModel):
    """The parameters that started a pipeline."""

    branch: Text = None
    tag: Text = None
    commit_hash: Text = None
    commit_message: Text = None
    pull_request_id: Text = None


class PipelineShow(BaseModel):
    """A pipeline with its stages or, if newer, its graph of workflows; not wrapped in `data`."""

    id: Slug
    name: Text = None
    status: Text = None
    number_in_app_scope: Number = None
    rebuildable: Flag = None
    current_attempt_id: Text = None
    attempts: Maybe[list[AttemptItem]] = None
    triggered_by: Text = None
    triggered_at: Time = None
    started_at: Time = None
    finished_at: Time = None
    abort_reason: Text = None
    stages: Maybe[list[StageItem]] = None
    workflows: Maybe[list[WorkflowItem]] = None
    trigger_params: Maybe[ParamsItem] = None

    def as_pipeline(self, app_slug: str) -> Pipeline:
        """Convert the current attempt to a Pipeline."""
        params = self.trigger_params or ParamsItem()
        attempt, item = self._find_current_attempt()
        return Pipeline(
            provider=BITRISE,
            app_slug=app_slug,
            id=self.id,
            name=self.name or "pipeline",
            number=self.number_in_app_scope,
            state=_STATES.get(self.status or "", BuildState.UNKNOWN),
            attempt=attempt,
            rebuildable=bool(self.rebuildable),
            branch=params.branch,
            tag=params.tag,
            commit_hash=params.commit_hash,
            commit_message=params.commit_message,
            pull_request=parse_number(params.pull_request_id),
            triggered_by=self.triggered_by,
            triggered_at=self.triggered_at,
            attempt_triggered_at=item.triggered_at,
            started_at=self.started_at,
            finished_at=self.finished_at,
            abort_reason=self.abort_reason,
            stages=tuple(self._stages()),
            url=f"https://app.bitrise.io/app/{app_slug}/pipelines/{self.id}",
        )

    def _find_current_attempt(self) -> tuple[int, AttemptItem]:
        """Return the current attempt and its number."""
        attempts = self.attempts or []
        for position, attempt in enumerate(attempts, 1):
            if attempt.id is not None and attempt.id == self.current_attempt_id:
                return attempt.number_in_pipeline_build_scope or position, attempt
        return max(len(attempts), 1), attempts[-1] if attempts else AttemptItem()

    def _stages(self) -> list[Stage]:
        if self.stages:
            return [
                Stage(
                    name=stage.name or f"Stage {number}",
                    workflows=tuple(item.as_workflow() for item in stage.workflows or []),
                )
                for number, stage in enumerate(self.stages, 1)
            ]
        levels = _group_by_depth(self.workflows or [])
        return [
            Stage(name=f"Stage {number}", workflows=tuple(item.as_workflow() for item in items))
            for number, items in enumerate(levels, 1)
        ]


def _group_by_depth(items: Sequence[WorkflowItem]) -> list[list[WorkflowItem]]:
    """Group the workflows of a graph by the length of the longest chain of dependencies before them."""
    by_name = {name: item for item in items for name in (item.id, item.name) if name}
    depths: dict[int, int] = {}

    def depth(item: WorkflowItem, ancestors: frozenset[int]) -> int:
        if id(item) in ancestors:
            return 0  # a cycle, which Bitrise would not have started
        if id(item) not in depths:
            dependencies = [by_name[name] for name in item.depends_on or [] if name in by_name]
            path = ancestors | {id(item)}
            depths[id(item)] = 1 + max((depth(other, path) for other in dependencies), default=-1)
        return depths[id(item)]

    levels: dict[int, list[WorkflowItem]] = {}
    for item in items:
        levels.setdefault(depth(item, frozenset()), []).append(item)
    return [levels[level] for level in sorted(levels)]
