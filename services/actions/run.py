"""Running of an action: completion, permission, approval if a rule requires it, execution, audit log."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn, cast

import structlog

from domain.action import Action, PendingAction, PendingActionState
from domain.audit_chain import Event
from domain.commands.errors import UserError
from domain.provider import Provider
from domain.provider_errors import NotConnected, ProviderError
from domain.redaction.private_keys import REDACTED
from domain.redaction.redactor import redact
from messages import pending_actions
from messages.kit.button_values import ProposalButton
from services.actions.action import ActionResult, ExecutableAction
from services.actions.approval import check_approver, find_open, request_approval, requester_context
from services.actions.audit import action_entry, audit_action
from services.actions.permissions import (
    PermissionDenied,
    authorize,
    build_access_request,
    build_permission_denied,
    with_current_app,
)
from services.authorization.authorizer import Decision
from services.request.context import Reply, RequestContext
from services.slack.workspace_members import NotAMember
from storage.database import DatabaseUnavailable, retry_until_stored
from storage.workflow_steps import Outcome

log = structlog.get_logger()

NO_REQUESTER = (
    "This requires approval, so a person must request it. Fill in *On behalf of* in the workflow's step: that person"
    " confirms it first."
)
REQUESTER_NOT_CONNECTED = "The requester has no connected {provider} account that works."
REQUESTER_NOT_A_MEMBER = "Slack doesn't confirm that the requester still belongs to the workspace."
DATABASE_LOST = (
    "Buildbell's database stopped responding in the middle of this. Check at {provider} whether it was done before"
    " you try again."
)
# Shorter strings occur in any sentence.
SHORTEST_SECRET = 4


async def run_action(
    action: ExecutableAction, context: RequestContext, *, execution: str | None = None
) -> ActionResult:
    """Execute the action, or request a second person's approval first.

    `execution` is the id of the workflow step that waits for the action. Raises PermissionDenied, UserError,
    ProviderError.
    """
    action, not_connected = await _prepare(action, context)
    decision = await _authorize_action(action, context)
    if not_connected is not None and not decision.needs_confirmation:
        # The authorizer finds an account, but it could not be used for what is missing in the action.
        raise not_connected
    if decision.approvers and not context.person:
        await _deny(action, context, NO_REQUESTER)
    if decision.needs_confirmation or decision.approvers:
        return await request_approval(action, context, decision, execution)
    return await execute_now(action, context)


async def _prepare(
    action: ExecutableAction, context: RequestContext
) -> tuple[ExecutableAction, NotConnected | None]:
    """Return the complete action: normalized Git names, and the app and build as the provider knows them now.

    Nothing is added to it afterwards: this value is authorized, shown to the approver, audited, and sent. Without an
    account to look them up with, the error is returned beside it: the authorizer refuses such requests, which is
    audited. Raises UserError if the action can't be requested, and other ProviderErrors.
    """
    try:
        action = action.normalized()
    except ValueError as error:
        raise UserError(str(error)) from error
    not_connected = None
    try:
        action = await with_current_app(action, context)
        action = await action.prepare(context)
    except NotConnected as error:
        not_connected = error
    if (problem := action.problem()) is not None:
        raise UserError(problem)
    return action, not_connected


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
    await audit_action(Event.REFUSED, action, context, answer=reason)
    raise await build_permission_denied(
        decision or Decision(refusal=reason), context, action.provider, action.app
    )


async def execute_now(
    action: ExecutableAction, context: RequestContext, *, agreed_by: str | None = None
) -> ActionResult:
    """Execute an authorized action. It is audited before, so that a crash in between leaves a trace."""
    await audit_action(Event.BEGUN, action, context, agreed_by=agreed_by)
    try:
        result = await _execute(action, context)
    except DatabaseUnavailable as error:
        await _audit_outcome(Event.FAILED, action, context, answer=str(error), agreed_by=agreed_by)
        raise UserError(DATABASE_LOST.format(provider=action.provider.label)) from error
    except BaseException as error:
        statement = error.statement() if isinstance(error, ProviderError) else str(error)
        answer = statement or type(error).__name__
        await _audit_outcome(Event.FAILED, action, context, answer=answer, agreed_by=agreed_by)
        raise
    await _audit_outcome(Event.DONE, action, context, answer=result.provider_answer, agreed_by=agreed_by)
    await context.services.pollers.poll_now(action.provider)
    return result


async def _audit_outcome(
    event: Event, action: Action, context: RequestContext, *, answer: str, agreed_by: str | None
) -> None:
    """Audit what became of an action; while the database is away, only its beginning is in the audit log.

    It has happened, so people must be told: whoever reads that the database is away would do it once more.
    """
    try:
        await audit_action(event, action, context, answer=answer, agreed_by=agreed_by)
    except DatabaseUnavailable as problem:
        log.error(
            "audit.not_recorded",
            outcome=event,
            act=action.act,
            team=context.team,
            person=context.person,
            reason=str(problem),
        )


async def _execute(action: ExecutableAction, context: RequestContext) -> ActionResult:
    """Execute the action at its provider.

    Raises ProviderError, and UserError if the action is not possible any more or an error quotes a secret.
    """
    try:
        return await action.execute(context)
    except (ProviderError, UserError) as error:
        message = _redact_secrets(str(error), action.secrets())
        if message == str(error):
            raise
    raise UserError(message)


def _redact_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return the text without these secrets, and without any whole line of them."""
    lines = {line.strip() for secret in secrets for line in (secret, *secret.splitlines())}
    for line in sorted(lines, key=len, reverse=True):
        if len(line) >= SHORTEST_SECRET:
            text = text.replace(line, REDACTED)
    return text


async def decide_pending_action(
    button: ProposalButton, context: RequestContext, *, agreed: bool
) -> Reply | None:
    """Approve or decline a pending action, and update its message.

    The button grants a right, so it is signed, and the user who presses it is authorized again.
    Raises PermissionDenied, UserError.
    """
    pending = await find_open(button, context)
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
    entry = action_entry(
        event, pending.act, person=requester.person, channel=requester.channel, agreed_by=context.person
    )
    if not await context.services.storage.pending_actions.conclude(
        pending, state, message, entry, by=context.person, at=context.now(), to_asker=to_requester
    ):
        raise UserError("Someone else just decided this.")
    if not agreed:
        await _conclude_step(pending, context, Outcome(error="The request was declined."))
        return None
    return await _execute_after_approval(pending, context, requester)


async def _execute_after_approval(
    pending: PendingAction, context: RequestContext, requester: RequestContext
) -> Reply | None:
    """Execute an approved action as its requester."""
    action = cast(ExecutableAction, pending.act)  # the registry reads no others
    try:
        if pending.deciders.themselves:
            # The requester has confirmed their identity; a second person may still be required.
            result = await run_action(action, requester, execution=pending.execution)
        else:
            result = await _execute_approved(action, requester, agreed_by=context.person)
    except Exception as error:
        await retry_until_stored(lambda: context.services.storage.pending_actions.finish(pending))
        reason = redact(str(error))
        await _announce_failure(pending, context, reason)
        await _conclude_step(pending, context, Outcome(error=reason or "It failed."))
        raise
    await retry_until_stored(lambda: context.services.storage.pending_actions.finish(pending))
    if not result.is_pending:
        await _conclude_step(pending, context, Outcome(outputs=result.outputs))
    return result.answer


async def _execute_approved(
    action: ExecutableAction, requester: RequestContext, *, agreed_by: str
) -> ActionResult:
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
            await audit_action(Event.REFUSED, action, requester, answer=decision.refusal)
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


async def _announce_failure(pending: PendingAction, context: RequestContext, reason: str) -> None:
    message = pending_actions.approved_action_failed(
        pending.act.summary(),
        by=pending.asked_by,
        decided_by=context.person,
        problem=reason,
        themselves=pending.deciders.themselves,
    )
    repository = context.services.storage.pending_actions
    await retry_until_stored(lambda: repository.change_message(pending, message))


async def _conclude_step(pending: PendingAction, context: RequestContext, outcome: Outcome) -> None:
    if pending.execution is not None:
        execution, steps = pending.execution, context.services.storage.workflow_steps
        await retry_until_stored(lambda: steps.conclude(pending.team, execution, outcome))
