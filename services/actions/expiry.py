"""Proposals that nobody decides in time."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from domain.audit_log import Event
from domain.message import Message
from domain.pending_action import PendingAction, PendingActionState, UnreadableAction
from messages import pending_actions
from services.actions.audit import entry_of
from services.container import Services
from services.request.context import RequestContext
from storage.workflow_steps import Outcome

log = structlog.get_logger()

LONGEST_SLEEP = 60.0


class PendingActionExpiry:
    """Ends them when their time has run out, after a restart too; `run` goes on until stopped."""

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
        """End what has run out; no failure ends it."""
        await self._own_up()
        while not self._stopping:
            self._changed.clear()
            all_ended = False
            try:
                all_ended = await self.end_those_due()
            except Exception:
                log.exception("proposals.broken")
            next_end = await self._services.storage.proposals.next_end() if all_ended else None
            seconds = (next_end - self._services.clock()).total_seconds() if next_end else LONGEST_SLEEP
            with suppress(TimeoutError):
                async with asyncio.timeout(min(max(seconds, 0.05), LONGEST_SLEEP)):
                    await self._changed.wait()

    async def _own_up(self) -> None:
        """Acts in whose midst an earlier process was stopped: whether they were done, nobody knows."""
        proposals = self._services.storage.proposals
        for proposal in await proposals.cut_off(self._began):
            if isinstance(proposal, UnreadableAction):
                await self._end_unreadable(proposal, pending_actions.proposal_unreadable(was_agreed=True))
                continue
            said = pending_actions.proposal_cut_off(
                proposal.act.summary(), by=proposal.asked_by, at=proposal.act.provider.label
            )
            await proposals.say(proposal, said)
            await proposals.finish(proposal)
            self._services.outbox_changed()

    async def end_those_due(self) -> bool:
        """End what has run out by now; returns whether all of it could be."""
        all_ended = True
        for proposal in await self._services.storage.proposals.expired(self._services.clock()):
            try:
                if isinstance(proposal, UnreadableAction):
                    await self._end_unreadable(
                        proposal, pending_actions.proposal_unreadable(was_agreed=False)
                    )
                else:
                    await self._end(proposal)
            except Exception:
                # Such as a workspace whose audit log was changed: the others' proposals end all the same.
                log.exception("proposals.broken", team=proposal.team)
                all_ended = False
        return all_ended

    async def _end_unreadable(self, one: UnreadableAction, said: Message) -> None:
        """End what can't be opened: it is in nobody's way, and a workflow that waits for it hears of it."""
        services = self._services
        await services.storage.proposals.end_unreadable(one, said)
        services.outbox_changed()
        if one.execution is not None:
            await services.storage.steps.conclude(one.team, one.execution, Outcome(error=said.text))
            services.steps_changed()

    async def _end(self, proposal: PendingAction) -> None:
        services, now = self._services, self._services.clock()
        asker = RequestContext(
            services=services, person=proposal.asked_by, team=proposal.team, channel=proposal.channel
        )
        words, reason = proposal.act.summary(), proposal.act.reason()
        themselves = proposal.deciders.themselves
        said = pending_actions.proposal_expired(
            words, by=proposal.asked_by, reason=reason, themselves=themselves
        )
        to_asker = None
        if not themselves:
            to_asker = pending_actions.proposal_ran_out(words, channel=proposal.channel, reason=reason)
        entry = entry_of(Event.EXPIRED, proposal.act, asker)
        if not await services.storage.proposals.conclude(
            proposal, PendingActionState.EXPIRED, said, entry, by=None, at=now, to_asker=to_asker
        ):
            return
        services.outbox_changed()
        if proposal.execution is not None:
            outcome = Outcome(error="Nobody has agreed to it in time.")
            await services.storage.steps.conclude(proposal.team, proposal.execution, outcome)
            services.steps_changed()
