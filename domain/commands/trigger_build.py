"""The command that starts a build. Storage keeps each person's last one, to fill in the form."""

from __future__ import annotations

from domain.commands.shared_commands import Command


class TriggerBuild(Command):
    """Start a build; without anything to build, the form is opened."""

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
        """Whether it says what to build (Bitrise API v0.1, build-trigger: at least one of these)."""
        return any((self.branch, self.tag, self.commit, self.workflow, self.pipeline))
