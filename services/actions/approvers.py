"""Approvers of a pending action: who may decide it, and who may not."""

from __future__ import annotations

from datetime import timedelta

import structlog

from domain.audit_chain import Event
from domain.pending_action import PendingAction
from domain.provider import Provider
from services.actions.access_request import build_access_request
from services.actions.audit import build_audit_entry, write_audit_entry
from services.actions.permissions import authorize, build_requester
from services.actions.preparation import with_current_app
from services.actions.result import PermissionDenied
from services.request.context import RequestContext
from services.request.errors import UserError

log = structlog.get_logger()


async def check_approver(pending: PendingAction, context: RequestContext) -> None:
    """Check that this user may decide the action; a refusal is audited. Raises PermissionDenied."""
    objection = await _find_objection(pending, context)
    if objection is not None:
        await write_audit_entry(
            context, build_audit_entry(Event.REFUSED, pending.act, context, answer=objection)
        )
        raise PermissionDenied(objection)


async def _find_objection(pending: PendingAction, context: RequestContext) -> str | None:
    """Return why this user may not decide the action, as a sentence; None if they may."""
    is_requester = context.person == pending.asked_by
    if pending.deciders.themselves:
        return None if is_requester else "Only the person in whose name it would be done can say yes or no."
    if is_requester:
        return "Somebody else must agree: a second person is the point of it."
    provider = pending.act.provider
    if await _is_same_provider_user(pending, context, provider):
        return f"You are the same person at {provider.label} as the one who asks, so you can't be the second."
    action = pending.act
    if await context.may_act(provider):
        # An approver must be able to see the app.
        try:
            action = await with_current_app(action, context)
        except UserError as error:
            return str(error)
    access_request = await build_access_request(action, requester_context(pending, context), pending.channel)
    decision = await authorize(access_request, context)
    if decision.refusal is not None:
        return decision.refusal
    if decision.approvers and pending.asked_at + timedelta(minutes=decision.minutes) <= context.now():
        return "The rules give less time for this by now, and it has run out. Ask for it again."
    authorizer, approver = context.services.authorizer, build_requester(context)
    # The approvers that were required at the time of the request, and those required now.
    for who in dict.fromkeys((*pending.deciders.who, *decision.approvers)):
        if not await authorizer.includes(who, approver):
            return f"Only {await authorizer.groups.describe(context.team, who)} may agree to this."
    return None


async def _is_same_provider_user(pending: PendingAction, context: RequestContext, provider: Provider) -> bool:
    """Return whether the approver and the requester are the same user at the provider, with two accounts in Slack."""
    accounts = context.storage.accounts
    of_requester = await accounts.find(pending.asked_by, provider)
    of_approver = await accounts.find(context.person, provider)
    return (
        of_requester is not None
        and of_approver is not None
        and of_requester.provider_user == of_approver.provider_user
    )


def requester_context(pending: PendingAction, context: RequestContext) -> RequestContext:
    """Return the context of the requester, as if they made the request now."""
    channel = "" if pending.deciders.themselves else pending.channel
    return RequestContext(
        services=context.services, person=pending.asked_by, team=pending.team, channel=channel
    )
