"""Bitrise's answers about pipelines, as they come. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, WrapValidator

from domain.build import BuildState
from domain.pipeline import Pipeline, PipelineWorkflow, Stage
from providers.http.field_parsing import Flag, MaybeSlug, Number, Slug, Text, Time, or_none, parse_number

# API v0.1, "pipeline-show"; the states of its workflows are named alike.
_STATES = {
    "initializing": BuildState.ON_HOLD,
    "on_hold": BuildState.ON_HOLD,
    "running": BuildState.RUNNING,
    "succeeded": BuildState.SUCCEEDED,
    "failed": BuildState.FAILED,
    "aborted": BuildState.ABORTED,
    "succeeded_with_abort": BuildState.ABORTED_WITH_SUCCESS,
}
# What a workflow is that has not begun, or never will.
_NOT_BEGUN = frozenset({"", "initializing", "not_started", "on_hold", "skipped", "waiting"})


class PipelineItem(BaseModel):
    """An entry of the list of pipelines, which holds builds outside of pipelines, too."""

    slug: Slug
    build_number: Number = None
    is_pipeline: Flag = None
    triggered_workflow: Text = None


class AttemptItem(BaseModel):
    """One attempt."""

    id: Text = None
    number_in_pipeline_build_scope: Number = None
    triggered_at: Time = None


class WorkflowItem(BaseModel):
    """A workflow of a pipeline; `external_id` is its build's slug."""

    id: Text = None
    external_id: MaybeSlug = None
    name: Text = None
    status: Text = None
    depends_on: Annotated[list[str] | None, WrapValidator(or_none)] = None
    started_at: Time = None
    finished_at: Time = None
    startFailureReason: Text = None  # noqa: N815 - Bitrise's own spelling, here alone

    def as_workflow(self) -> PipelineWorkflow:
        """The workflow in the bot's own words."""
        status = self.status or ""
        return PipelineWorkflow(
            name=self.name or self.id or "?",
            state=BuildState.ON_HOLD if status in _NOT_BEGUN else _STATES.get(status, BuildState.UNKNOWN),
            id=self.id,
            build_slug=self.external_id,
            started_at=self.started_at,
            finished_at=self.finished_at,
            problem=self.startFailureReason,
        )


class StageItem(BaseModel):
    """A stage."""

    name: Text = None
    workflows: Annotated[list[WorkflowItem] | None, WrapValidator(or_none)] = None


class ParamsItem(BaseModel):
    """What started it."""

    branch: Text = None
    tag: Text = None
    commit_hash: Text = None
    commit_message: Text = None
    pull_request_id: Text = None


class PipelineShow(BaseModel):
    """A pipeline with its stages or, in newer ones, its graph of workflows; not wrapped in `data`."""

    id: Slug
    name: Text = None
    status: Text = None
    number_in_app_scope: Number = None
    rebuildable: Flag = None
    current_attempt_id: Text = None
    attempts: Annotated[list[AttemptItem] | None, WrapValidator(or_none)] = None
    triggered_by: Text = None
    triggered_at: Time = None
    started_at: Time = None
    finished_at: Time = None
    abort_reason: Text = None
    stages: Annotated[list[StageItem] | None, WrapValidator(or_none)] = None
    workflows: Annotated[list[WorkflowItem] | None, WrapValidator(or_none)] = None
    trigger_params: Annotated[ParamsItem | None, WrapValidator(or_none)] = None

    def as_pipeline(self, app_slug: str) -> Pipeline:
        """The pipeline's current attempt in the bot's own words."""
        params = self.trigger_params or ParamsItem()
        attempt, item = self._attempt()
        return Pipeline(
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

    def _attempt(self) -> tuple[int, AttemptItem]:
        """The current attempt and its number."""
        attempts = self.attempts or []
        for place, one in enumerate(attempts, 1):
            if one.id is not None and one.id == self.current_attempt_id:
                return one.number_in_pipeline_build_scope or place, one
        return max(len(attempts), 1), attempts[-1] if attempts else AttemptItem()

    def _stages(self) -> list[Stage]:
        if self.stages:
            return [
                Stage(
                    name=one.name or f"Stage {place}",
                    workflows=tuple(item.as_workflow() for item in one.workflows or []),
                )
                for place, one in enumerate(self.stages, 1)
            ]
        levels = _levels(self.workflows or [])
        return [
            Stage(name=f"Stage {place}", workflows=tuple(item.as_workflow() for item in items))
            for place, items in enumerate(levels, 1)
        ]


def _levels(items: Sequence[WorkflowItem]) -> list[list[WorkflowItem]]:
    """The workflows of a graph by how many others have to end before them."""
    by_name = {name: item for item in items for name in (item.id, item.name) if name}
    depths: dict[int, int] = {}

    def depth(item: WorkflowItem, above: frozenset[int]) -> int:
        if id(item) in above:
            return 0  # a circle, which Bitrise would not have started
        if id(item) not in depths:
            before = [by_name[name] for name in item.depends_on or [] if name in by_name]
            deeper = above | {id(item)}
            depths[id(item)] = 1 + max((depth(one, deeper) for one in before), default=-1)
        return depths[id(item)]

    found: dict[int, list[WorkflowItem]] = {}
    for item in items:
        found.setdefault(depth(item, frozenset()), []).append(item)
    return [found[level] for level in sorted(found)]
