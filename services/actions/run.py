"""From what somebody wants to what is done: the policy, a second person where it asks for one, and the audit log."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import NoReturn

import structlog

from domain.action import Action
from domain.audit_log import Event
from domain.build import App
from domain.errors import NotConnected, ProviderError
from domain.message import Message
from domain.pending_action import Approvers, PendingAction, PendingActionState
from domain.provider import Provider
from domain.redaction.redactor import redact
from messages import pending_actions
from messages.kit.button_values import ProposalButton
from messages.pending_actions import details_of_proposal
from services.actions.access_request import build_access_request
from services.actions.audit import entry_of, write_audit_entry
from services.actions.execution import execute
from services.actions.permissions import person_of, refusal_of, ruling_on
from services.actions.preparation import prepare, with_current_app
from services.actions.result import ActionResult, PermissionDenied
from services.authorization.authorizer import Decision
from services.request.app_visibility import is_seen
from services.request.context import Reply, RequestContext, Visibility
from services.request.finder import UserError
from services.slack.workspace_members import NotAMember
from storage.accounts import EncryptionKeyMissing
from storage.encryption import DecryptionError
from storage.pending_actions import signed_text
from storage.workflow_steps import Outcome

log = structlog.get_logger()

NAME_A_PERSON = (
    "This needs a second person's agreement, so somebody must ask for it. Fill in *On behalf of* in the workflow's"
    " step: that person is asked first."
)
TOO_LONG = (
    "This needs somebody else's agreement, and it is too long to be shown to them whole. Shorten it, or start it"
    " without what is not needed."
)
ASKER_NOT_LINKED = "The person who asked for this has no {provider} account linked that works."
ASKER_NOT_A_MEMBER = "Slack does not say that the person who asked for this still belongs to the workspace."
NO_CHANNEL = (
    "This needs a second person's agreement, and there is no channel to ask for it in. Do it in a channel."
)


async def run_action(
    action: Action, context: RequestContext, *, execution: str | None = None
) -> ActionResult:
    """Do it, or ask for a second person's agreement first; `execution` names the workflow's step that waits for it.

    Raises PermissionDenied, UserError, ProviderError.
    """
    is_connected = await context.may_act(action.provider)
    action = await prepare(action, context, is_connected=is_connected)
    ruling = await _judge(action, context)
    if not is_connected and not ruling.confirm:
        # They have linked an account in between: what was judged was not looked up with it.
        raise UserError("Your account has just changed. Try again.")
    if ruling.second and not context.person:
        await _refuse(action, context, NAME_A_PERSON)
    if ruling.confirm or ruling.second:
        return await _propose(action, context, ruling, execution)
    return await do_now(action, context)


async def check_permission(action: Action, context: RequestContext) -> Decision:
    """What the policy says to it, and nothing done yet; what is refused is written down.

    Raises PermissionDenied, UserError, ProviderError.
    """
    if await context.may_act(action.provider):
        action = await with_current_app(action, context)
    return await _judge(action, context)


async def _judge(action: Action, context: RequestContext) -> Decision:
    ruling = await ruling_on(await build_access_request(action, context, context.channel), context)
    if ruling.refused is not None:
        await _refuse(action, context, ruling.refused, ruling)
    return ruling


async def _refuse(
    action: Action, context: RequestContext, why: str, ruling: Decision | None = None
) -> NoReturn:
    """Write the refusal down. Raises PermissionDenied."""
    await write_audit_entry(context, entry_of(Event.REFUSED, action, context, answer=why))
    raise await refusal_of(ruling or Decision(refused=why), context, action.provider, action.app)


async def do_now(action: Action, context: RequestContext, *, agreed_by: str | None = None) -> ActionResult:
    """Do what was judged already. Written down before it is asked for: a crash between the two leaves a trace."""
    await write_audit_entry(context, entry_of(Event.BEGUN, action, context, agreed_by=agreed_by))
    try:
        done = await execute(action, context)
    except BaseException as problem:
        told = problem.statement() if isinstance(problem, ProviderError) else str(problem)
        said = told or type(problem).__name__
        await write_audit_entry(
            context, entry_of(Event.FAILED, action, context, answer=said, agreed_by=agreed_by)
        )
        raise
    await write_audit_entry(
        context, entry_of(Event.DONE, action, context, answer=done.said, agreed_by=agreed_by)
    )
    context.services.lookout.look_now(action.provider)
    return done


async def decide(about: ProposalButton, context: RequestContext, *, agreed: bool) -> Reply | None:
    """Agree to what somebody else wants to do, or decline it; its message says so. Raises PermissionDenied, UserError.

    A button carries a right, so it is signed; and whoever presses it is judged anew.
    """
    proposal = await _open(about, context)
    asker = _asker(proposal, context)
    await _check_decider(proposal, context)
    state = PendingActionState.AGREED if agreed else PendingActionState.DECLINED
    event = Event.AGREED if agreed else Event.DECLINED
    shown = proposal.act.summary()
    reason, themselves = proposal.act.reason(), proposal.deciders.themselves
    said = pending_actions.proposal_decided(
        shown,
        by=proposal.asked_by,
        decided_by=context.person,
        agreed=agreed,
        reason=reason,
        themselves=themselves,
    )
    to_asker = None
    if not agreed and not themselves:
        to_asker = pending_actions.proposal_declined(
            shown, decided_by=context.person, channel=proposal.channel, reason=reason
        )
    entry = entry_of(event, proposal.act, asker, agreed_by=context.person)
    proposals = context.services.storage.proposals
    if not await proposals.conclude(
        proposal, state, said, entry, by=context.person, at=context.now(), to_asker=to_asker
    ):
        raise UserError("Somebody else has just decided this.")
    context.services.outbox_changed()
    if not agreed:
        await _conclude_step(proposal, context, Outcome(error="Somebody declined it."))
        return None
    return await _carry_out(proposal, context, asker)


async def _carry_out(proposal: PendingAction, context: RequestContext, asker: RequestContext) -> Reply | None:
    """Do what was agreed to, as the one who asked for it."""
    action = proposal.act
    try:
        if proposal.deciders.themselves:
            # They have said that it is them; a second person may be needed all the same.
            done = await run_action(action, asker, execution=proposal.execution)
        else:
            done = await _do_agreed(action, asker, agreed_by=context.person)
    except Exception as problem:
        await context.services.storage.proposals.finish(proposal)
        said = redact(str(problem))
        await _say_it_failed(proposal, context, said)
        await _conclude_step(proposal, context, Outcome(error=said or "It did not work."))
        raise
    await context.services.storage.proposals.finish(proposal)
    if not done.waits:
        await _conclude_step(proposal, context, Outcome(outputs=done.facts))
    return done.answer


async def _do_agreed(action: Action, asker: RequestContext, *, agreed_by: str) -> ActionResult:
    """Do what another person agreed to, who is told what hinders the asker, and not offered what would help only them.

    Raises PermissionDenied, UserError, ProviderError.
    """
    try:
        # The app may have another name by now, which rules are about; what was agreed to stays as it was shown.
        question = await build_access_request(await with_current_app(action, asker), asker, asker.channel)
        ruling = await ruling_on(question, asker)
        if ruling.refused is not None:
            await write_audit_entry(asker, entry_of(Event.REFUSED, action, asker, answer=ruling.refused))
            raise PermissionDenied(await _refusal_for_others(ruling, asker, action.provider))
        return await do_now(action, asker, agreed_by=agreed_by)
    except NotAMember as problem:
        raise PermissionDenied(ASKER_NOT_A_MEMBER) from problem
    except NotConnected as problem:
        raise PermissionDenied(ASKER_NOT_LINKED.format(provider=action.provider.label)) from problem


async def _refusal_for_others(ruling: Decision, asker: RequestContext, provider: Provider) -> str:
    """Why the asker may not, in words for somebody else."""
    if ruling.connect is not None:
        return ASKER_NOT_LINKED.format(provider=provider.label)
    if await asker.services.clients.members.refusal(asker.team, asker.person) is not None:
        return ASKER_NOT_A_MEMBER
    return ruling.refused or ""


async def _propose(
    action: Action, context: RequestContext, ruling: Decision, execution: str | None
) -> ActionResult:
    details = details_of_proposal(action.full_details())
    if details is None:
        raise UserError(TOO_LONG)
    channel = context.person if ruling.confirm else await _where_to_ask(action.app, context)
    now = context.now()
    proposals = context.services.storage.proposals
    proposal = proposals.new(
        action,
        team=context.team,
        channel=channel,
        asked_by=context.person,
        deciders=Approvers(who=ruling.second, themselves=ruling.confirm),
        asked_at=now,
        expires_at=now + timedelta(minutes=ruling.minutes),
        execution=execution,
    )
    vault = context.services.storage.vault
    if vault is None:
        raise PermissionDenied(str(EncryptionKeyMissing()))
    groups = context.services.rulings.groups
    names = [await groups.names(context.team, who) for who in ruling.second]
    value = ProposalButton(id=proposal.id, seal=vault.sign(signed_text(context.team, proposal.id)))
    message = pending_actions.proposal(
        action.summary(),
        by=context.person,
        who=names,
        until=proposal.expires_at,
        value=value,
        details=details,
        themselves=ruling.confirm,
        notified=ruling.second,
    )
    asker = replace(context, channel=channel)
    await proposals.begin(proposal, message, entry_of(Event.PROPOSED, action, asker))
    context.services.outbox_changed()
    context.services.proposals_changed()
    said = pending_actions.proposed(action.summary(), channel=channel, until=proposal.expires_at)
    return ActionResult(Reply(said, Visibility.ONE_PERSON), waits=True)


async def _where_to_ask(app: App | None, context: RequestContext) -> str:
    """The channel where others can see it: this one, or one that follows the app. Raises PermissionDenied."""
    if context.channel and not context.channel.startswith("D"):
        return context.channel
    subscriptions = context.services.storage.subscriptions
    for one in await subscriptions.of_app(app.provider, app.slug) if app is not None else ():
        here = one.team == context.team and not one.channel.startswith("D")
        if here and not one.terms.run and is_seen(one, context.services.clients.at(one.provider)):
            return one.channel
    raise PermissionDenied(NO_CHANNEL)


async def _open(about: ProposalButton, context: RequestContext) -> PendingAction:
    vault = context.services.storage.vault
    if vault is None or not vault.is_signed(signed_text(context.team, about.id), about.seal):
        raise UserError("This button is not one of mine, or is too old. Ask for it again.")
    try:
        proposal = await context.services.storage.proposals.find_open(context.team, about.id)
    except DecryptionError as problem:
        raise UserError("I can't read any more what this was about. Ask for it again.") from problem
    if proposal is not None and not proposal.bound:
        raise UserError("This was asked for before I was updated. Ask for it again.")
    if proposal is None:
        raise UserError("This was decided already, or its time has run out.")
    if proposal.expires_at <= context.now():
        raise UserError("Its time has run out. Ask for it again.")
    return proposal


async def _check_decider(proposal: PendingAction, context: RequestContext) -> None:
    """Whether this person may decide it. Raises PermissionDenied, and writes the refusal down."""
    problem = await _why_not(proposal, context)
    if problem is not None:
        await write_audit_entry(context, entry_of(Event.REFUSED, proposal.act, context, answer=problem))
        raise PermissionDenied(problem)


async def _why_not(proposal: PendingAction, context: RequestContext) -> str | None:
    mine = context.person == proposal.asked_by
    if proposal.deciders.themselves:
        return None if mine else "Only the person in whose name it would be done can say yes or no."
    if mine:
        return "Somebody else must agree: a second person is the point of it."
    provider = proposal.act.provider
    if await _is_same_there(proposal, context, provider):
        return f"You are the same person at {provider.label} as the one who asks, so you can't be the second."
    action = proposal.act
    if await context.may_act(provider):
        # Nobody agrees to what they may not see.
        try:
            action = await with_current_app(action, context)
        except UserError as problem:
            return str(problem)
    ruling = await ruling_on(
        await build_access_request(action, _asker(proposal, context), proposal.channel), context
    )
    if ruling.refused is not None:
        return ruling.refused
    if ruling.second and proposal.asked_at + timedelta(minutes=ruling.minutes) <= context.now():
        return "The rules give less time for this by now, and it has run out. Ask for it again."
    rulings, person = context.services.rulings, person_of(context)
    # Those that held when it was asked for, and those that hold now.
    for who in dict.fromkeys((*proposal.deciders.who, *ruling.second)):
        if not await rulings.includes(who, person):
            return f"Only {await rulings.groups.names(context.team, who)} may agree to this."
    return None


async def _is_same_there(proposal: PendingAction, context: RequestContext, provider: Provider) -> bool:
    """Whether one person with two accounts in Slack would agree with themselves."""
    accounts = context.storage.accounts
    one = await accounts.find(proposal.asked_by, provider)
    other = await accounts.find(context.person, provider)
    return one is not None and other is not None and one.provider_user == other.provider_user


def _asker(proposal: PendingAction, context: RequestContext) -> RequestContext:
    """The one who asked, as if they did it now."""
    channel = "" if proposal.deciders.themselves else proposal.channel
    return RequestContext(
        services=context.services, person=proposal.asked_by, team=proposal.team, channel=channel
    )


async def _say_it_failed(proposal: PendingAction, context: RequestContext, problem: str) -> None:
    said: Message = pending_actions.proposal_failed(
        proposal.act.summary(),
        by=proposal.asked_by,
        decided_by=context.person,
        problem=problem,
        themselves=proposal.deciders.themselves,
    )
    await context.services.storage.proposals.say(proposal, said)
    context.services.outbox_changed()


async def _conclude_step(proposal: PendingAction, context: RequestContext, outcome: Outcome) -> None:
    if proposal.execution is not None:
        await context.services.storage.steps.conclude(proposal.team, proposal.execution, outcome)
        context.services.steps_changed()
