"""The command that starts a build. Each person's last one is stored, to fill in the form."""

from __future__ import annotations

from domain.commands.shared_commands import Command


class TriggerBuild(Command):
    """Start a build; without a branch, tag or the like, open the form."""

    app: str | None = None
    branch: str | None = None
    tag: str | None = None
    commit: str | None = None
    workflow: str | None = None
    pipeline: str | None = None
    message: str | None = None
    environments: tuple[tuple[str, str], ...] = ()

    @property
    def names_something(self) -> bool:
        """Return whether it says what to build (Bitrise API v0.1, build-trigger: at least one of these)."""
        return any((self.branch, self.tag, self.commit, self.workflow, self.pipeline))
