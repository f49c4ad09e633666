"""What an answer to a trigger says. Pure; no I/O."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ValidationError, WrapValidator

from domain.errors import RequestRejected, UnexpectedResponse
from domain.provider import Provider
from providers.bitrise.api.models import BUILD_PAGE
from providers.bitrise.api.requests import TriggeredBuild
from providers.http.field_parsing import MaybeSlug, Number, Text, or_none


class ResultItem(BaseModel):
    """One build of a trigger's answer, and the older fields beside the list of them."""

    build_slug: MaybeSlug = None
    build_number: Number = None
    build_url: Text = None
    triggered_workflow: Text = None
    triggered_pipeline: Text = None
    status: Text = None
    message: Text = None

    def as_started(self) -> TriggeredBuild:
        """The build in the bot's own words."""
        return TriggeredBuild(
            build_slug=self.build_slug,
            number=self.build_number,
            url=self.build_url or (BUILD_PAGE + self.build_slug if self.build_slug else None),
            workflow=self.triggered_workflow or self.triggered_pipeline,
            is_pipeline=self.triggered_workflow is None and self.triggered_pipeline is not None,
            ok=self.status in (None, "ok"),
            words=self.message,
        )


class TriggerAnswer(ResultItem):
    """A trigger's answer; it is not wrapped in `data`, and its `slug` is the app's."""

    results: Annotated[list[ResultItem] | None, WrapValidator(or_none)] = None


def parse_started_builds(body: bytes) -> list[TriggeredBuild]:
    """The builds that were started; `results` is the truth where it is there, the older fields else.

    Success means status `ok` as well as a good HTTP status. Raises RequestRejected with BitriseClient's own words, and
    UnexpectedResponse.
    """
    try:
        answer = TriggerAnswer.model_validate_json(body)
    except ValidationError as error:
        raise UnexpectedResponse("it does not say what was started", provider=Provider.BITRISE) from error
    if answer.status != "ok":
        raise RequestRejected(answer.message, provider=Provider.BITRISE)
    started = [one.as_started() for one in answer.results or []] or [answer.as_started()]
    if not any(one.ok for one in started):
        raise RequestRejected(
            "; ".join(one.words for one in started if one.words) or None, provider=Provider.BITRISE
        )
    return started
