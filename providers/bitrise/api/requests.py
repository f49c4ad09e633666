"""Parameters of Bitrise requests, exactly as documented, and the response to a trigger."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from domain.build import FrozenModel
from domain.build_author import STARTED_BY
from domain.provider_errors import RequestRejected, UnexpectedResponse
from providers.bitrise.api.models import BUILD_PAGE
from providers.bitrise.provider import BITRISE
from providers.http.field_parsing import Maybe, MaybeSlug, Number, Text


class BuildListParams(FrozenModel):
    """Filters for an app's builds (API v0.1, "Filtering parameters for build list", and current additions).

    `after` and `before` refer to the trigger time, inclusive. `pull_request_id` works only with the event
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
        """Return the query parameters; times as Unix seconds."""
        values = self.model_dump(exclude_none=True)
        return {
            name: str(int(value.timestamp())) if isinstance(value, datetime) else str(value)
            for name, value in values.items()
        }


class AbortRequest(FrozenModel):
    """Parameters of an abort: the reason, whether it counts as a success, and which reports are skipped."""

    reason: str | None = None
    with_success: bool = False
    skip_notifications: bool = False
    skip_git_status_report: bool = False

    def body(self) -> dict[str, Any]:
        """Return the request body for a build: all fields are required (swagger, "v0.BuildAbortParams")."""
        return {**self.pipeline_body(), "skip_git_status_report": self.skip_git_status_report}

    def pipeline_body(self) -> dict[str, Any]:
        """Return the request body for a pipeline: all fields are required (swagger, "v0.PipelineAbortParams")."""
        return {
            "abort_reason": self.reason or "",
            "abort_with_success": self.with_success,
            "skip_notifications": self.skip_notifications,
        }


class TriggerRequest(FrozenModel):
    """Parameters of a build: at least one of branch, tag, commit, workflow and pipeline. `original` is sent unchanged.

    `started_by` is a Slack user, in the format of `slack_user`. It is sent as an environment variable: Bitrise only
    knows the token's owner.
    """

    branch: str | None = None
    tag: str | None = None
    commit_hash: str | None = None
    commit_message: str | None = None
    workflow_id: str | None = None
    pipeline_id: str | None = None
    environments: tuple[tuple[str, str], ...] = ()
    original: Mapping[str, Any] | None = Field(default=None, repr=False)
    started_by: str | None = None

    @model_validator(mode="after")
    def _require_target(self) -> Self:
        revision = (self.branch, self.tag, self.commit_hash)
        if not any((*revision, self.workflow_id, self.pipeline_id, self.original)):
            raise ValueError("name a branch, tag, commit, workflow or pipeline to build")
        return self

    def body(self) -> dict[str, Any]:
        """Return the request body (API v0.1, build-trigger)."""
        params = dict(self.original) if self.original is not None else self._params()
        # Only the bot may set this variable, so one from elsewhere is removed.
        starter = (
            [{"key": STARTED_BY, "value": self.started_by, "is_expand": False}] if self.started_by else []
        )
        if starter or params.get("environments"):
            others = [
                environment
                for environment in params.get("environments") or []
                if not (
                    isinstance(environment, dict)
                    and STARTED_BY in (environment.get("key"), environment.get("mapped_to"))
                )
            ]
            params["environments"] = [*others, *starter]
        return {"hook_info": {"type": "bitrise"}, "build_params": params}

    def _params(self) -> dict[str, Any]:
        params: dict[str, Any] = self.model_dump(
            exclude_none=True, exclude={"environments", "original", "started_by"}
        )
        if self.environments:
            # not expanded: what a person typed is meant literally
            params["environments"] = [
                {"key": key, "value": value, "is_expand": False} for key, value in self.environments
            ]
        return params


class TriggeredBuild(FrozenModel):
    """A build that a trigger started, or Bitrise's message (`words`) if it did not.

    `is_pipeline`: it is a pipeline, and `build_slug` is its id.
    """

    build_slug: str | None = None
    number: int | None = None
    url: str | None = None
    workflow: str | None = None
    is_pipeline: bool = False
    ok: bool = True
    words: str | None = None
    found_after_lost_answer: bool = False


class ResultItem(BaseModel):
    """A build in a trigger's response, or the older fields beside the list of builds."""

    build_slug: MaybeSlug = None
    build_number: Number = None
    build_url: Text = None
    triggered_workflow: Text = None
    triggered_pipeline: Text = None
    status: Text = None
    message: Text = None

    def as_triggered_build(self) -> TriggeredBuild:
        """Convert it to a TriggeredBuild."""
        return TriggeredBuild(
            build_slug=self.build_slug,
            number=self.build_number,
            url=self.build_url or (BUILD_PAGE + self.build_slug if self.build_slug else None),
            workflow=self.triggered_workflow or self.triggered_pipeline,
            is_pipeline=self.triggered_workflow is None and self.triggered_pipeline is not None,
            ok=self.status in (None, "ok"),
            words=self.message,
        )


class TriggerResponse(ResultItem):
    """A trigger's response; it is not wrapped in `data`, and its `slug` is the app's."""

    results: Maybe[list[ResultItem]] = None


def parse_started_builds(body: bytes) -> list[TriggeredBuild]:
    """Parse the builds that were started, from `results` or, if it is missing, from the older fields.

    Success requires status `ok` in addition to the HTTP status. Raises RequestRejected with Bitrise's own message, and
    UnexpectedResponse.
    """
    try:
        response = TriggerResponse.model_validate_json(body)
    except ValidationError as error:
        raise UnexpectedResponse("it doesn't say what was started", provider=BITRISE) from error
    if response.status != "ok":
        raise RequestRejected(response.message, provider=BITRISE)
    started = [result.as_triggered_build() for result in response.results or []] or [
        response.as_triggered_build()
    ]
    if not any(build.ok for build in started):
        raise RequestRejected(
            "; ".join(build.words for build in started if build.words) or None, provider=BITRISE
        )
    return started
