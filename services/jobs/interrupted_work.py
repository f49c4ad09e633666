"""Reports what the end of a process interrupted: workflow steps, and approved actions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import datetime

from domain.action import PendingAction, UnreadableAction
from domain.provider import Provider
from messages import pending_actions
from services.jobs.background_job import BackgroundJob
from storage.repositories import Repositories
from storage.workflow_steps import Outcome

CHECK_SECONDS = 15.0
# A process whose session at the database was lost appears to have ended, until it has connected again.
GONE_SECONDS = 30.0


class InterruptedWork(BackgroundJob):
    """Ends what processes were doing that have ended since: nobody knows whether it was carried out.

    A bot that is alone with its database does so at the start. Of several, each keeps looking for others that end.
    """

    name = "interrupted work"
    retry_seconds = CHECK_SECONDS

    def __init__(
        self,
        storage: Repositories,
        provider: Provider,
        *,
        clock: Callable[[], datetime],
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`provider` is the one that workflow steps are about."""
        super().__init__()
        self._storage = storage
        self._provider = provider
        self._started_at = clock()
        self._timer = timer
        self._gone_since: dict[str, float] = {}

    async def run_once(self) -> float | None:
        """End what is known to be interrupted."""
        steps = await self._storage.workflow_steps.begun_elsewhere(self._started_at)
        actions = await self._storage.pending_actions.begun_elsewhere(self._started_at)
        ended = await self._ended_workers(
            [*(worker for *_, worker in steps), *(worker for _, worker in actions)]
        )
        for pending, worker in actions:
            if worker in ended:
                await self._end_action(pending)
        for team, execution, worker in steps:
            if worker in ended:
                label = self._provider.label
                message = f"Buildbell was stopped during this step. Check in {label} whether it was done."
                await self._storage.workflow_steps.conclude(team, execution, Outcome(error=message))
        return None if self._storage.database.session_locks.is_alone else CHECK_SECONDS

    async def _ended_workers(self, workers: Iterable[str]) -> set[str]:
        """Return those that have been gone for long enough; without other bots, all."""
        candidates = set(workers)
        if not candidates:
            self._gone_since.clear()
            return candidates
        live = await self._storage.database.read(lambda db: db.live_workers())
        now = self._timer()
        self._gone_since = {worker: self._gone_since.get(worker, now) for worker in candidates - live}
        patience = 0 if self._storage.database.session_locks.is_alone else GONE_SECONDS
        return {worker for worker, since in self._gone_since.items() if now - since >= patience}

    async def _end_action(self, pending: PendingAction | UnreadableAction) -> None:
        repository = self._storage.pending_actions
        if isinstance(pending, UnreadableAction):
            message = pending_actions.approval_request_unreadable(was_agreed=True)
            await repository.end_unreadable(pending, message)
            if pending.execution is not None:
                outcome = Outcome(error=message.text)
                await self._storage.workflow_steps.conclude(pending.team, pending.execution, outcome)
            return
        message = pending_actions.approved_action_interrupted(
            pending.act.summary(), by=pending.asked_by, at=pending.act.provider.label
        )
        await repository.end_interrupted(pending, message)
