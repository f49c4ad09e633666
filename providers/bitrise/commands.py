"""Bitrise's own commands: one class each, with typed arguments. If `app` is None, the channel's app is used."""

from __future__ import annotations

from domain.commands.shared_commands import BuildRef, Command


class ShowLog(Command):
    """Show the end of a build's log."""

    build: BuildRef
    app: str | None = None


class ListArtifacts(Command):
    """List a build's artifacts."""

    build: BuildRef
    app: str | None = None


class ShowYml(Command):
    """Show the bitrise.yml of an app, or of a build."""

    app: str | None = None
    build: BuildRef | None = None


class ListPipelines(Command):
    """List an app's latest pipelines."""

    app: str | None = None


class ShowPipeline(Command):
    """Show one pipeline, by its number, or by its ID and its app's slug as in a link."""

    app: str | None = None
    number: int | None = None
    app_slug: str | None = None
    pipeline_id: str | None = None


class ListBuildRequests(Command):
    """List an app's builds that wait for approval."""

    app: str | None = None


class AbortBuild(Command):
    """Abort a build, with a reason."""

    build: BuildRef
    app: str | None = None
    reason: str | None = None


class RebuildBuild(Command):
    """Start a build again."""

    build: BuildRef
    app: str | None = None
