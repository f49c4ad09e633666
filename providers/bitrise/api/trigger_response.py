"""Parse the response to a trigger. Pure; no I/O."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError

from domain.provider_errors import RequestRejected, UnexpectedResponse
from providers.bitrise.api.models import BUILD_PAGE
from providers.bitrise.api.requests import TriggeredBuild
from providers.bitrise.provider import BITRISE
from providers.http.field_parsing import Maybe, MaybeSlug, Number, Text


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
        raise UnexpectedResponse("it does not say what was started", provider=BITRISE) from error
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
