"""What Bitrise is asked for, exactly as its documents say."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import Field, model_validator

from domain.build import FrozenModel
from domain.build_author import STARTED_BY


class BuildListParams(FrozenModel):
    """Which builds of an app to list (API v0.1, "Filtering parameters for build list", and today's additions).

    `after` and `before` are on the trigger time and include it. `pull_request_id` works only with the event
    `pull-request`.
    """

    status: int | None = None
    branch: str | None = None
    workflow: str | None = None
    trigger_event_type: str | None = None
    pull_request_id: int | None = None
    build_number: int | None = None
    commit_message: str | None = None
    after: datetime | None = None
    before: datetime | None = None
    sort_by: str | None = None

    def params(self) -> dict[str, str]:
        """The query's parameters; times as Unix seconds."""
        values = self.model_dump(exclude_none=True)
        return {
            name: str(int(value.timestamp())) if isinstance(value, datetime) else str(value)
            for name, value in values.items()
        }


class AbortRequest(FrozenModel):
    """How to abort a build: the reason, and whether it is to count, be told and be shown at Git as a success."""

    reason: str | None = None
    with_success: bool = False
    skip_notifications: bool = False
    skip_git_status_report: bool = False

    def body(self) -> dict[str, Any]:
        """The request's body for a build: all fields, each of which is required (swagger, "v0.BuildAbortParams")."""
        return {**self.pipeline_body(), "skip_git_status_report": self.skip_git_status_report}

    def pipeline_body(self) -> dict[str, Any]:
        """The request's body for a pipeline, likewise (swagger, "v0.PipelineAbortParams")."""
        return {
            "abort_reason": self.reason or "",
            "abort_with_success": self.with_success,
            "skip_notifications": self.skip_notifications,
        }


class EnvironmentVariable(FrozenModel):
    """A variable that a build is started with."""

    key: str
    value: str


class TriggerRequest(FrozenModel):
    """What to build; at least one of branch, tag, commit, workflow and pipeline. `original` is passed on as it is.

    `started_by` is a Slack user, as `slack_user` names them. It travels as an environment variable: Bitrise knows
    only whose token it is.
    """

    branch: str | None = None
    tag: str | None = None
    commit_hash: str | None = None
    commit_message: str | None = None
    workflow_id: str | None = None
    pipeline_id: str | None = None
    environments: tuple[EnvironmentVariable, ...] = ()
    original: Mapping[str, Any] | None = Field(default=None, repr=False)
    started_by: str | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (
            self.branch
            or self.tag
            or self.commit_hash
            or self.workflow_id
            or self.pipeline_id
            or self.original
        ):
            raise ValueError("name a branch, tag, commit, workflow or pipeline to build")
        return self

    def body(self) -> dict[str, Any]:
        """The request's body (API v0.1, build-trigger)."""
        params = dict(self.original) if self.original is not None else self._params()
        # For whom it is started nobody but the bot says.
        told = [{"key": STARTED_BY, "value": self.started_by, "is_expand": False}] if self.started_by else []
        if told or params.get("environments"):
            others = [
                one
                for one in params.get("environments") or []
                if not (isinstance(one, dict) and STARTED_BY in (one.get("key"), one.get("mapped_to")))
            ]
            params["environments"] = [*others, *told]
        return {"hook_info": {"type": "bitrise"}, "build_params": params}

    def _params(self) -> dict[str, Any]:
        params: dict[str, Any] = self.model_dump(
            exclude_none=True, exclude={"environments", "original", "started_by"}
        )
        if self.environments:
            # not expanded: what a person typed means itself
            params["environments"] = [
                {"key": one.key, "value": one.value, "is_expand": False} for one in self.environments
            ]
        return params


class TriggeredBuild(FrozenModel):
    """One build that a trigger started, or the words in which Bitrise says that it did not.

    `is_pipeline`: it is a pipeline, of which Bitrise says its id where it says a build's slug.
    """

    build_slug: str | None = None
    number: int | None = None
    url: str | None = None
    workflow: str | None = None
    is_pipeline: bool = False
    ok: bool = True
    words: str | None = None
    found_after_lost_answer: bool = False
