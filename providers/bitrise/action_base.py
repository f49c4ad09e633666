"""The base classes of actions at Bitrise."""

from __future__ import annotations

from typing import ClassVar, Self

from domain.action import present_values
from domain.build import App, Build, FrozenModel
from providers.bitrise.provider import BITRISE
from services.actions.action import ExecutableAction


class BitriseAction(ExecutableAction):
    """The base class of actions at Bitrise; each belongs to an app."""

    provider: ClassVar = BITRISE
    app: App


class BuildTarget(FrozenModel):
    """The part of a build that actions store."""

    slug: str
    label: str
    branch: str | None = None
    workflow: str | None = None

    @classmethod
    def of(cls, build: Build) -> Self:
        """Make the target from a build."""
        return cls(slug=build.slug, label=build.label, branch=build.branch, workflow=build.workflow)


class BuildAction(BitriseAction):
    """The base class of actions on a build."""

    build: BuildTarget

    def branch_and_workflow(self) -> tuple[str | None, str | None]:
        """Return those of the build."""
        return self.build.branch, self.build.workflow

    def audit_fields(self) -> dict[str, str]:
        """Return the build's slug and label."""
        return {"build": self.build.slug, "label": self.build.label}

    def details(self) -> list[tuple[str, str]]:
        """Return the build."""
        build = self.build
        return present_values(
            build=build.label, build_id=build.slug, branch=build.branch, workflow=build.workflow
        )
