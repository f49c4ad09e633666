"""Permission: the access request of an action, the decision about it, and the error for a refusal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar

import structlog

from domain.access_policy import AccessRequest, Permission, required_approvals
from domain.action import Action
from domain.build import App
from domain.commands.errors import UserError
from domain.provider import Provider
from domain.provider_errors import Forbidden, NotFound, ProviderError
from messages.kit.button_values import PolicyButton
from services.accounts.user_accounts import UserAccounts
from services.actions.audit import audit_refusal, audited
from services.authorization.authorizer import Decision, Requester
from services.request.context import RequestContext

log = structlog.get_logger()

SomeAction = TypeVar("SomeAction", bound=Action)


class PermissionDenied(Exception):
    """The user may not do this; the sentence says who may.

    `connect` is the provider at which they could connect an account to be allowed. `rule` is the button to add a rule
    that allows it.
    """

    def __init__(
        self, sentence: str, *, connect: Provider | None = None, rule: PolicyButton | None = None
    ) -> None:
        self.connect = connect
        self.rule = rule
        super().__init__(sentence)


async def with_current_app(action: SomeAction, context: RequestContext) -> SomeAction:
    """Return the action with its app as the provider shows it to this user now: rules match current names.

    Raises UserError if the user can't see the app, and other ProviderErrors.
    """
    if action.app is None:
        return action
    try:
        app = await context.own_apps(action.provider).fetch(action.app.slug)
    except (NotFound, Forbidden) as error:
        raise UserError(
            f"Your {action.provider.label} account can't see this app, or it no longer exists."
        ) from error
    return action.model_copy(update={"app": app})


async def build_access_request(action: Action, context: RequestContext, channel: str) -> AccessRequest:
    """Return the access request for this action in the channel, by the user of the context.

    The stage of the app is looked up only if a rule depends on it.
    """
    access_request = action.access_request(channel)
    clients = context.services.clients.at(action.provider)
    find_stage = clients.connection.find_stage
    if (
        find_stage is None
        or action.app is None
        or access_request.stage is not None
        or not await _depends_on_stage(access_request, context)
    ):
        return access_request
    try:
        stage = await find_stage(action.app, clients.service, context.client_for(action.provider).own)
    except ProviderError as error:
        log.info("policy.stage_unknown", reason=type(error).__name__)
        return access_request
    return access_request.model_copy(update={"stage": stage})


async def _depends_on_stage(access_request: AccessRequest, context: RequestContext) -> bool:
    workspace_rules = [stored.rule for stored in await context.storage.access_rules.all()]
    rules = [*context.services.authorizer.operator_rules(context.team), *workspace_rules]
    return any(rule.stages for rule in required_approvals(rules, access_request))


def build_requester(context: RequestContext) -> Requester:
    """Return the user of the context as a requester for the authorizer."""
    if context.is_verified:
        return Requester(context.accounts)
    # The request itself uses no account of a user whom Slack did not identify.
    return Requester(UserAccounts(context.services.storage, context.team, context.person), vouched=False)


async def authorize(access_request: AccessRequest, context: RequestContext) -> Decision:
    """Decide whether the user may do this and belongs to the workspace.

    A context that was made from stored data is checked like any other. The calling code audits a refusal.
    """
    return await context.services.authorizer.authorize(access_request, build_requester(context))


async def build_permission_denied(
    decision: Decision, context: RequestContext, provider: Provider, app: App | None
) -> PermissionDenied:
    """Return the error for a refusal, with what the user can do about it."""
    refusal = decision.refusal or ""
    if not decision.is_off or not await context.is_admin():
        return PermissionDenied(refusal, connect=decision.missing_account)
    rule = PolicyButton(provider=provider, app=app.slug if app is not None else "")
    return PermissionDenied(f"{refusal} As an admin you can add that rule.", rule=rule)


@asynccontextmanager
async def permitted_and_audited(
    context: RequestContext,
    action: str,
    provider: Provider,
    app: App | None,
    *,
    about: Mapping[str, str] | None = None,
) -> AsyncIterator[None]:
    """Check permission for a change of subscriptions, apps or deploy links, and audit what this block does.

    Raises PermissionDenied.
    """
    await check_subscribe_permission(context, action, provider, app, about=about)
    async with audited(context, action, app=app, about=about):
        yield


async def check_subscribe_permission(
    context: RequestContext,
    action: str,
    provider: Provider,
    app: App | None,
    *,
    about: Mapping[str, str] | None = None,
) -> None:
    """Check that the user may change subscriptions here; a refusal is audited. Raises PermissionDenied."""
    access_request = AccessRequest(
        permission=Permission.SUBSCRIBE, provider=provider, app=app, channel=context.channel
    )
    decision = await authorize(access_request, context)
    if decision.refusal is not None:
        await audit_refusal(action, context, decision.refusal, app=app, about=about)
        raise await build_permission_denied(decision, context, provider, app)
