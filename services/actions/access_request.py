"""The access request of an action: what the access rules are evaluated with."""

from __future__ import annotations

import structlog

from domain.access_policy import AccessRequest, required_approvals
from domain.action import Action
from domain.provider_errors import ProviderError
from services.request.context import RequestContext

log = structlog.get_logger()


async def build_access_request(action: Action, context: RequestContext, channel: str) -> AccessRequest:
    """Return the access request for this action in the channel, by the user of the context.

    The stage of the app is looked up only if a rule depends on it.
    """
    access_request = action.access_request(channel)
    find_stage = context.services.registry.get(action.provider).find_stage
    if (
        find_stage is None
        or action.app is None
        or access_request.stage is not None
        or not await _depends_on_stage(access_request, context)
    ):
        return access_request
    try:
        stage = await find_stage(action.app, context)
    except ProviderError as error:
        log.info("policy.stage_unknown", reason=type(error).__name__)
        return access_request
    return access_request.model_copy(update={"stage": stage})


async def _depends_on_stage(access_request: AccessRequest, context: RequestContext) -> bool:
    workspace_rules = [stored.rule for stored in await context.storage.access_rules.all()]
    rules = [*context.services.authorizer.operator_rules(context.team), *workspace_rules]
    return any(rule.stages for rule in required_approvals(rules, access_request))
