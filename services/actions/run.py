"""Running of an action: permission, a second person's approval if a rule requires it, execution, audit log."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

import structlog

from domain.action import Action
from domain.audit_chain import Event
from domain.build import App
from domain.pending_action import Approvers, PendingAction, PendingActionState
from domain.provider import Provider
from domain.provider_errors import NotConnected, ProviderError
from domain.redaction.redactor import redact
from messages import pending_actions
from messages.kit.button_values import ProposalButton
from messages.pending_actions import approval_details
from services.actions.access_request import build_access_request
from services.actions.approvers import check_approver, requester_context
from services.actions.audit import build_audit_entry, write_audit_entry
from services.actions.execution import execute
from services.actions.permissions import authorize, build_permission_denied
from services.actions.preparation import prepare, with_current_app
from services.actions.result import ActionResult, PermissionDenied
from services.authorization.authorizer import Decision
from services.events import OutboxChanged, PendingActionsChanged, WorkflowStepsChanged
from services.request.app_visibility import is_visible_to_creator
from services.request.context import Reply, RequestContext, Visibility
from services.request.errors import UserError
from services.slack.workspace_members import NotAMember
from storage.accounts import EncryptionKeyMissing
from storage.encryption import DecryptionError
from storage.pending_actions import signed_text
from storage.workflow_steps import Outcome

log = structlog.get_logger()

NO_REQUESTER = (
    "This needs a second person's agreement, so somebody must ask for it. Fill in *On behalf of* in the workflow's"
    " step: that person is asked first."
)
TOO_LONG = (
    "This needs somebody else's agreement, and it is too long to be shown to them whole. Shorten it, or start it"
    " without what is not needed."
)
REQUESTER_NOT_CONNECTED = "The person who asked for this has no {provider} account linked that works."
REQUESTER_NOT_A_MEMBER = (
    "Slack does not say that the person who asked for this still belongs to the workspace."
)
NO_CHANNEL = (
    "This needs a second person's agreement, and there is no channel to ask for it in. Do it in a channel."
)


async def run_action(
    action: Action, context: RequestContext, *, execution: str | None = None
) -> ActionResult:
    """Execute the action, or request a second person's approval first.

    `execution` is the id of the workflow step that waits for the action. Raises PermissionDenied, UserError,
    ProviderError.
    """
    is_connected = await context.may_act(action.provider)
    action = await prepare(action, context, is_connected=is_connected)
    decision = await _authorize_action(action, context)
    if not is_connected and not decision.needs_confirmation:
        # An account was connected in between, so the action was prepared without it.
        raise UserError("Your account has just changed. Try again.")
    if decision.approvers and not context.person:
        await _deny(action, context, NO_REQUESTER)
    if decision.needs_confirmation or decision.approvers:
        return await _request_approval(action, context, decision, execution)
    return await execute_now(action, context)


async def check_permission(action: Action, context: RequestContext) -> Decision:
    """Return the decision about the action without executing it; a refusal is audited.

    Raises PermissionDenied, UserError, ProviderError.
    """
    if await context.may_act(action.provider):
        action = await with_current_app(action, context)
    return await _authorize_action(action, context)


async def _authorize_action(action: Action, context: RequestContext) -> Decision:
    decision = await authorize(await build_access_request(action, context, context.channel), context)
    if decision.refusal is not None:
        await _deny(action, context, decision.refusal, decision)
    return decision


async def _deny(
    action: Action, context: RequestContext, reason: str, decision: Decision | None = None
) -> NoReturn:
    """Audit the refusal. Raises PermissionDenied."""
    await write_audit_entry(context, build_audit_entry(Event.REFUSED, action, context, answer=reason))
    raise await build_permission_denied(
        decision or Decision(refusal=reason), context, action.provider, action.app
    )


async def execute_now(
    action: Action, context: RequestContext, *, agreed_by: str | None = None
) -> ActionResult:
    """Execute an authorized action. It is audited before, so that a crash in between leaves a trace."""
    await write_audit_entry(context, build_audit_entry(Event.BEGUN, action, context, agreed_by=agreed_by))
    try:
        result = await execute(action, context)
    except BaseException as error:
        statement = error.statement() if isinstance(error, ProviderError) else str(error)
        answer = statement or type(error).__name__
        await write_audit_entry(
            context, build_audit_entry(Event.FAILED, action, context, answer=answer, agreed_by=agreed_by)
        )
        raise
    await write_audit_entry(
        context,
        build_audit_entry(Event.DONE, action, context, answer=result.provider_answer, agreed_by=agreed_by),
    )
    context.services.pollers.poll_now(action.provider)
    return result


async def decide_pending_action(
    button: ProposalButton, context: RequestContext, *, agreed: bool
) -> Reply | None:
    """Approve or decline a pending action, and update its message.

    The button grants a right, so it is signed, and the user who presses it is authorized again.
    Raises PermissionDenied, UserError.
    """
    pending = await _find_open(button, context)
    requester = requester_context(pending, context)
    await check_approver(pending, context)
    state = PendingActionState.AGREED if agreed else PendingActionState.DECLINED
    event = Event.AGREED if agreed else Event.DECLINED
    summary = pending.act.summary()
    reason, themselves = pending.act.reason(), pending.deciders.themselves
    message = pending_actions.approval_decided(
        summary,
        by=pending.asked_by,
        decided_by=context.person,
        agreed=agreed,
        reason=reason,
        themselves=themselves,
    )
    to_requester = None
    if not agreed and not themselves:
        to_requester = pending_actions.approval_declined(
            summary, decided_by=context.person, channel=pending.channel, reason=reason
        )
    entry = build_audit_entry(event, pending.act, requester, agreed_by=context.person)
    if not await context.services.storage.pending_actions.conclude(
        pending, state, message, entry, by=context.person, at=context.now(), to_asker=to_requester
    ):
        raise UserError("Somebody else has just decided this.")
    context.services.events.publish(OutboxChanged())
    if not agreed:
        await _conclude_step(pending, context, Outcome(error="Somebody declined it."))
        return None
    return await _execute_after_approval(pending, context, requester)


async def _execute_after_approval(
    pending: PendingAction, context: RequestContext, requester: RequestContext
) -> Reply | None:
    """Execute an approved action as its requester."""
    action = pending.act
    try:
        if pending.deciders.themselves:
            # The requester has confirmed their identity; a second person may still be required.
            result = await run_action(action, requester, execution=pending.execution)
        else:
            result = await _execute_approved(action, requester, agreed_by=context.person)
    except Exception as error:
        await context.services.storage.pending_actions.finish(pending)
        reason = redact(str(error))
        await _announce_failure(pending, context, reason)
        await _conclude_step(pending, context, Outcome(error=reason or "It did not work."))
        raise
    await context.services.storage.pending_actions.finish(pending)
    if not result.is_pending:
        await _conclude_step(pending, context, Outcome(outputs=result.outputs))
    return result.answer


async def _execute_approved(action: Action, requester: RequestContext, *, agreed_by: str) -> ActionResult:
    """Execute an action that another person approved.

    The approver is told why the requester may not, without the buttons that would help only the requester. Raises
    PermissionDenied, UserError, ProviderError.
    """
    try:
        # Rules match the app's current name; the approved action stays as it was shown.
        current = await with_current_app(action, requester)
        decision = await authorize(
            await build_access_request(current, requester, requester.channel), requester
        )
        if decision.refusal is not None:
            await write_audit_entry(
                requester, build_audit_entry(Event.REFUSED, action, requester, answer=decision.refusal)
            )
            raise PermissionDenied(await _refusal_for_others(decision, requester, action.provider))
        return await execute_now(action, requester, agreed_by=agreed_by)
    except NotAMember as error:
        raise PermissionDenied(REQUESTER_NOT_A_MEMBER) from error
    except NotConnected as error:
        raise PermissionDenied(REQUESTER_NOT_CONNECTED.format(provider=action.provider.label)) from error


async def _refusal_for_others(decision: Decision, requester: RequestContext, provider: Provider) -> str:
    """Return why the requester may not, worded for another user."""
    if decision.missing_account is not None:
        return REQUESTER_NOT_CONNECTED.format(provider=provider.label)
    if await requester.services.clients.members.refusal(requester.team, requester.person) is not None:
        return REQUESTER_NOT_A_MEMBER
    return decision.refusal or ""


async def _request_approval(
    action: Action, context: RequestContext, decision: Decision, execution: str | None
) -> ActionResult:
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
    requester = replace(context, channel=channel)
    await repository.begin(pending, message, build_audit_entry(Event.PROPOSED, action, requester))
    context.services.events.publish(OutboxChanged())
    context.services.events.publish(PendingActionsChanged())
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


async def _find_open(button: ProposalButton, context: RequestContext) -> PendingAction:
    vault = context.services.storage.vault
    if vault is None or not vault.is_signed(signed_text(context.team, button.id), button.seal):
        raise UserError("This button is not one of mine, or is too old. Ask for it again.")
    try:
        pending = await context.services.storage.pending_actions.find_open(context.team, button.id)
    except DecryptionError as error:
        raise UserError("I can't read any more what this was about. Ask for it again.") from error
    if pending is not None and not pending.bound:
        raise UserError("This was asked for before I was updated. Ask for it again.")
    if pending is None:
        raise UserError("This was decided already, or its time has run out.")
    if pending.expires_at <= context.now():
        raise UserError("Its time has run out. Ask for it again.")
    return pending


async def _announce_failure(pending: PendingAction, context: RequestContext, reason: str) -> None:
    message = pending_actions.approved_action_failed(
        pending.act.summary(),
        by=pending.asked_by,
        decided_by=context.person,
        problem=reason,
        themselves=pending.deciders.themselves,
    )
    await context.services.storage.pending_actions.change_message(pending, message)
    context.services.events.publish(OutboxChanged())


async def _conclude_step(pending: PendingAction, context: RequestContext, outcome: Outcome) -> None:
    if pending.execution is not None:
        await context.services.storage.workflow_steps.conclude(pending.team, pending.execution, outcome)
        context.services.events.publish(WorkflowStepsChanged())
