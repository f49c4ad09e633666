"""Expiry of pending actions that nobody decides in time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from domain.audit_log import Event
from domain.message import Message
from domain.pending_action import PendingAction, PendingActionState, UnreadableAction
from messages import pending_actions
from services.actions.audit import build_audit_entry
from services.container import Services
from services.request.context import RequestContext
from storage.workflow_steps import Outcome

log = structlog.get_logger()

LONGEST_SLEEP = 60.0


class PendingActionExpiry:
    """Ends pending actions when their time has run out, after a restart too; `run` goes on until stopped."""

    def __init__(self, services: Services, changed: asyncio.Event) -> None:
        self._services = services
        self._changed = changed
        self._began = services.clock()
        self._stopping = False

    def stop(self) -> None:
        """End `run`."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """End what has run out, until stopped; no failure ends the loop."""
        await self._report_interrupted()
        while not self._stopping:
            self._changed.clear()
            all_ended = False
            try:
                all_ended = await self.expire_due()
            except Exception:
                log.exception("proposals.broken")
            next_end = await self._services.storage.proposals.next_end() if all_ended else None
            seconds = (next_end - self._services.clock()).total_seconds() if next_end else LONGEST_SLEEP
            with suppress(TimeoutError):
                async with asyncio.timeout(min(max(seconds, 0.05), LONGEST_SLEEP)):
                    await self._changed.wait()

    async def _report_interrupted(self) -> None:
        """Report actions that the end of an earlier process interrupted. We can't know whether they were executed."""
        repository = self._services.storage.proposals
        for pending in await repository.cut_off(self._began):
            if isinstance(pending, UnreadableAction):
                await self._end_unreadable(pending, pending_actions.proposal_unreadable(was_agreed=True))
                continue
            message = pending_actions.proposal_cut_off(
                pending.act.summary(), by=pending.asked_by, at=pending.act.provider.label
            )
            await repository.say(pending, message)
            await repository.finish(pending)
            self._services.outbox_changed()

    async def expire_due(self) -> bool:
        """End what has run out by now; return whether all of it could be ended."""
        all_ended = True
        for pending in await self._services.storage.proposals.expired(self._services.clock()):
            try:
                if isinstance(pending, UnreadableAction):
                    await self._end_unreadable(pending, pending_actions.proposal_unreadable(was_agreed=False))
                else:
                    await self._end(pending)
            except Exception:
                # Such as a workspace whose audit log was changed: the pending actions of others end all the same.
                log.exception("proposals.broken", team=pending.team)
                all_ended = False
        return all_ended

    async def _end_unreadable(self, unreadable: UnreadableAction, message: Message) -> None:
        """End what can't be opened, and tell the workflow that waits for it."""
        services = self._services
        await services.storage.proposals.end_unreadable(unreadable, message)
        services.outbox_changed()
        if unreadable.execution is not None:
            await services.storage.steps.conclude(
                unreadable.team, unreadable.execution, Outcome(error=message.text)
            )
            services.steps_changed()

    async def _end(self, pending: PendingAction) -> None:
        services, now = self._services, self._services.clock()
        requester = RequestContext(
            services=services, person=pending.asked_by, team=pending.team, channel=pending.channel
        )
        summary, reason = pending.act.summary(), pending.act.reason()
        themselves = pending.deciders.themselves
        message = pending_actions.proposal_expired(
            summary, by=pending.asked_by, reason=reason, themselves=themselves
        )
        to_requester = None
        if not themselves:
            to_requester = pending_actions.proposal_ran_out(summary, channel=pending.channel, reason=reason)
        entry = build_audit_entry(Event.EXPIRED, pending.act, requester)
        if not await services.storage.proposals.conclude(
            pending, PendingActionState.EXPIRED, message, entry, by=None, at=now, to_asker=to_requester
        ):
            return
        services.outbox_changed()
        if pending.execution is not None:
            outcome = Outcome(error="Nobody has agreed to it in time.")
            await services.storage.steps.conclude(pending.team, pending.execution, outcome)
            services.steps_changed()
