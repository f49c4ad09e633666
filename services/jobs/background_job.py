"""The interfaces of background jobs and of caches per workspace, for the assembly."""

from __future__ import annotations

from typing import Protocol


class BackgroundJob(Protocol):
    """A job that works until it is stopped."""

    async def run(self) -> None:
        """Work until stopped."""

    def stop(self) -> None:
        """End `run` once the work in progress is done."""


class WorkspaceCache(Protocol):
    """A cache of data about workspaces."""

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
