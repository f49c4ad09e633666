"""Clears what this process keeps in memory of a workspace that has removed the app, whichever bot has wiped it."""

from __future__ import annotations

from collections.abc import Callable

from services.jobs.background_job import BackgroundJob
from storage.database import REMOVED
from storage.repositories import Repositories

RETRY_SECONDS = 10.0


class RemovedWorkspaces(BackgroundJob):
    """Calls `forget` with each removed workspace: at once, or when it can be looked up after missed notices."""

    name = "removed workspaces"
    retry_seconds = RETRY_SECONDS

    def __init__(self, storage: Repositories, forget: Callable[[str], None]) -> None:
        super().__init__()
        self._storage = storage
        self._forget = forget
        self._missed = False
        storage.database.listen(REMOVED, self._note)

    def _note(self, team: str | None) -> None:
        if team is not None:
            self._forget(team)
            return
        self._missed = True
        self.wake()

    async def run_once(self) -> float | None:
        """Forget the workspaces of missed notices."""
        while self._missed:
            self._missed = False
            try:
                removed = await self._storage.removed_teams()
            except BaseException:
                self._missed = True
                raise
            for team in removed:
                self._forget(team)
        return None
