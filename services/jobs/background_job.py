"""What the assembly runs, stops and clears, whatever it is."""

from __future__ import annotations

from typing import Protocol


class BackgroundJob(Protocol):
    """A job that works until it is stopped."""

    async def run(self) -> None:
        """Work until stopped."""

    def stop(self) -> None:
        """End `run` once what is under way is done."""


class WorkspaceCache(Protocol):
    """Something that remembers things of workspaces."""

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
