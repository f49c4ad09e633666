"""Expiry of pending actions without a decision in time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog

from domain.action import PendingAction, PendingActionState, UnreadableAction
from domain.audit_chain import Event
from domain.message import Message
from domain.unit import Unit
from messages import pending_actions
from services.actions.audit import action_entry
from services.jobs.background_job import BackgroundJob
from services.jobs.schedule import seconds_until
from storage.database import DatabaseUnavailable
from storage.repositories import Repositories
from storage.workflow_steps import Outcome

log = structlog.get_logger()

AGAIN_SECONDS = 60.0


class PendingActionExpiry(BackgroundJob):
    """Ends pending actions when their time has run out, also after a restart."""

    name = "expiry of pending actions"
    unit = Unit.EXPIRE
    is_exclusive = True
    retry_seconds = AGAIN_SECONDS
    error_event = "proposals.broken"

    def __init__(self, storage: Repositories, *, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self._storage = storage
        self._clock = clock

    async def run_once(self) -> float | None:
        """End expired actions."""
        if not await self.end_expired():
            return AGAIN_SECONDS
        return seconds_until(await self._storage.pending_actions.next_expiry(), self._clock())

    async def end_expired(self) -> bool:
        """End the actions that have expired; return whether all of them could be ended."""
        all_ended = True
        for pending in await self._storage.pending_actions.expired(self._clock()):
            try:
                if isinstance(pending, UnreadableAction):
                    await self._end_unreadable(
                        pending, pending_actions.approval_request_unreadable(was_agreed=False)
                    )
                else:
                    await self._end(pending)
            except DatabaseUnavailable:
                raise
            except Exception:
                # For example a workspace whose audit log was tampered with; those of other workspaces end as usual.
                log.exception("proposals.broken", team=pending.team)
                all_ended = False
        return all_ended

    async def _end_unreadable(self, unreadable: UnreadableAction, message: Message) -> None:
        """End an action that can't be decrypted, so that a workflow that waits for it continues."""
        await self._storage.pending_actions.end_unreadable(unreadable, message)
        if unreadable.execution is not None:
            await self._storage.workflow_steps.conclude(
                unreadable.team, unreadable.execution, Outcome(error=message.text)
            )

    async def _end(self, pending: PendingAction) -> None:
        now = self._clock()
        summary, reason = pending.act.summary(), pending.act.reason()
        themselves = pending.deciders.themselves
        message = pending_actions.approval_request_expired(
            summary, by=pending.asked_by, reason=reason, themselves=themselves
        )
        to_requester = None
        if not themselves:
            to_requester = pending_actions.approval_timed_out(summary, channel=pending.channel, reason=reason)
        entry = action_entry(Event.EXPIRED, pending.act, person=pending.asked_by, channel=pending.channel)
        if not await self._storage.pending_actions.conclude(
            pending, PendingActionState.EXPIRED, message, entry, by=None, at=now, to_asker=to_requester
        ):
            return
        if pending.execution is not None:
            outcome = Outcome(error="No one approved it in time.")
            await self._storage.workflow_steps.conclude(pending.team, pending.execution, outcome)
