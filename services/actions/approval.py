"""Approval: the request for it, and the people who may decide it."""

from __future__ import annotations

from datetime import timedelta

from domain.action import Action, Approvers, PendingAction
from domain.audit_chain import Event
from domain.build import App
from domain.commands.errors import UserError
from domain.provider import Provider
from messages import pending_actions
from messages.kit.button_values import ProposalButton
from messages.pending_actions import approval_details
from services.actions.action import ActionResult
from services.actions.audit import action_entry, audit_action
from services.actions.permissions import (
    PermissionDenied,
    authorize,
    build_access_request,
    build_requester,
    with_current_app,
)
from services.authorization.authorizer import Decision
from services.request.app_visibility import is_visible_to_creator
from services.request.context import Reply, RequestContext, Visibility
from storage.accounts import EncryptionKeyMissing
from storage.encryption import DecryptionError
from storage.pending_actions import signed_text

TOO_LONG = (
    "This requires approval, and it's too long to show the approver in full. Shorten it, or leave out what isn't"
    " needed."
)
NO_CHANNEL = "This requires approval, and there is no channel to request it in. Do it in a channel."


async def request_approval(
    action: Action, context: RequestContext, decision: Decision, execution: str | None
) -> ActionResult:
    """Store the action, and ask for the approval that the decision requires. Raises PermissionDenied, UserError."""
    details = approval_details(action.full_details())
    if details is None:
        raise UserError(TOO_LONG)
    channel = context.person if decision.needs_confirmation else await _approval_channel(action.app, context)
    now = context.now()
    repository = context.services.storage.pending_actions
    pending = repository.new(
        action,
        team=context.team,
        channel=channel,
        asked_by=context.person,
        deciders=Approvers(who=decision.approvers, themselves=decision.needs_confirmation),
        asked_at=now,
        expires_at=now + timedelta(minutes=decision.minutes),
        execution=execution,
    )
    vault = context.services.storage.vault
    if vault is None:
        raise PermissionDenied(str(EncryptionKeyMissing()))
    groups = context.services.authorizer.groups
    names = [await groups.describe(context.team, who) for who in decision.approvers]
    button = ProposalButton(id=pending.id, seal=vault.sign(signed_text(context.team, pending.id)))
    message = pending_actions.approval_request(
        action.summary(),
        by=context.person,
        who=names,
        until=pending.expires_at,
        value=button,
        details=details,
        themselves=decision.needs_confirmation,
        notified=decision.approvers,
    )
    entry = action_entry(Event.PROPOSED, action, person=context.person, channel=channel)
    await repository.begin(pending, message, entry)
    reply = pending_actions.approval_requested(action.summary(), channel=channel, until=pending.expires_at)
    return ActionResult(Reply(reply, Visibility.ONE_PERSON), is_pending=True)


async def _approval_channel(app: App | None, context: RequestContext) -> str:
    """Return the channel where others can see the request: this one, or one that subscribes to the app.

    Raises PermissionDenied.
    """
    if context.channel and not context.channel.startswith("D"):
        return context.channel
    repository = context.services.storage.subscriptions
    for subscription in await repository.of_app(app.provider, app.slug) if app is not None else ():
        is_shared = subscription.team == context.team and not subscription.channel.startswith("D")
        if (
            is_shared
            and not subscription.terms.run
            and is_visible_to_creator(subscription, context.services.clients.at(subscription.provider))
        ):
            return subscription.channel
    raise PermissionDenied(NO_CHANNEL)


async def find_open(button: ProposalButton, context: RequestContext) -> PendingAction:
    """Return the pending action that this button decides. Raises UserError if it can't be decided any more."""
    vault = context.services.storage.vault
    if vault is None or not vault.is_signed(signed_text(context.team, button.id), button.seal):
        raise UserError("This button isn't valid, or is too old. Request it again.")
    try:
        pending = await context.services.storage.pending_actions.find_open(context.team, button.id)
    except DecryptionError as error:
        raise UserError("This request can't be read any more. Request it again.") from error
    if pending is not None and not pending.bound:
        raise UserError("This was requested before Buildbell was updated. Request it again.")
    if pending is None:
        raise UserError("This request was already decided, or has expired.")
    if pending.expires_at <= context.now():
        raise UserError("This request has expired. Request it again.")
    return pending


async def check_approver(pending: PendingAction, context: RequestContext) -> None:
    """Check that this user may decide the action; a refusal is audited. Raises PermissionDenied."""
    objection = await _find_objection(pending, context)
    if objection is not None:
        await audit_action(Event.REFUSED, pending.act, context, answer=objection)
        raise PermissionDenied(objection)


async def _find_objection(pending: PendingAction, context: RequestContext) -> str | None:
    """Return why this user may not decide the action, as a sentence; None if they may."""
    is_requester = context.person == pending.asked_by
    if pending.deciders.themselves:
        return None if is_requester else "Only the person on whose behalf it would be done can decide this."
    if is_requester:
        return "You can't decide your own request. Someone else must."
    provider = pending.act.provider
    if await _is_same_provider_user(pending, context, provider):
        return f"You and the requester are the same {provider.label} user, so you can't decide this."
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
        return "The rules now allow less time for this, so the request has expired. Request it again."
    authorizer, approver = context.services.authorizer, build_requester(context)
    # The approvers that were required at the time of the request, and those required now.
    for who in dict.fromkeys((*pending.deciders.who, *decision.approvers)):
        if not await authorizer.includes(who, approver):
            return f"Only {await authorizer.groups.describe(context.team, who)} can approve this."
    return None


async def _is_same_provider_user(pending: PendingAction, context: RequestContext, provider: Provider) -> bool:
    """Return whether the approver and the requester are the same user at the provider, with two accounts in Slack."""
    of_requester = await context.storage.accounts.find(pending.asked_by, provider)
    of_approver = await context.accounts.find(provider)
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
