"""What the policy is asked about an act, with what the act does not know itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from domain.access_policy import AccessRequest, required_approvals
from domain.build import App
from domain.errors import ProviderError
from domain.provider import Provider
from providers.buildio.api.client import BuildioClient
from services.actions.action_types import Act
from services.request.context import RequestContext

log = structlog.get_logger()


async def question_about(action: Act, context: RequestContext, channel: str) -> AccessRequest:
    """The question, as `caller` would do the act: its app's stage is asked for where a rule depends on it."""
    question = action.access_request(channel)
    ask = _STAGES.get(action.provider)
    if (
        ask is None
        or action.app is None
        or question.stage is not None
        or not await _matters(question, context)
    ):
        return question
    try:
        stage = await ask(action.app, context)
    except ProviderError as problem:
        log.info("policy.stage_unknown", reason=type(problem).__name__)
        return question
    return question.model_copy(update={"stage": stage})


async def _matters(question: AccessRequest, context: RequestContext) -> bool:
    of_workspace = [one.rule for one in await context.storage.policies.all()]
    rules = [*context.services.rulings.operators(context.team), *of_workspace]
    return any(rule.stages for rule in required_approvals(rules, question))


async def _at_buildio(app: App, context: RequestContext) -> str | None:
    """The one stage that the app stands in; None where it can't be told.

    The bot's own token is asked, too: whoever does not see the pipeline that counts may have put the app into one of
    their own. Raises ProviderError.
    """
    seen_by_bot = await _stages(app, context.services.clients.buildio.service)
    stages = seen_by_bot | await _stages(app, context.own_buildio)
    return stages.pop() if seen_by_bot and len(stages) == 1 else None


async def _stages(app: App, buildio: BuildioClient) -> set[str | None]:
    return {
        one.stage
        for pipeline in await buildio.pipelines()
        for one in await buildio.pipeline_apps(pipeline.id)
        if (app.slug == one.id if one.id else app.title == one.name)
    }


_STAGES: Mapping[Any, Callable[[App, RequestContext], Awaitable[str | None]]] = {
    Provider.BUILDIO: _at_buildio
}
