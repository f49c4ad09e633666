"""The command that starts a build. Each person's last one is stored, to fill in the form."""

from __future__ import annotations

from domain.commands.arguments import parse_variable
from domain.commands.command import AppArgument, ArgumentReader, Command

_TARGETS = ("branch", "tag", "commit", "workflow", "pipeline")


class TriggerBuild(Command):
    """Start a build; without a branch, tag or the like, open the form."""

    app: AppArgument = None
    branch: str | None = None
    tag: str | None = None
    commit: str | None = None
    workflow: str | None = None
    pipeline: str | None = None
    message: str | None = None
    environments: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> TriggerBuild:
        """Parse the app and what to build. An invalid variable is reported first, not only after the next attempt."""
        app = arguments.take_positional()
        options = arguments.take_options(*_TARGETS, "message", "env")
        environments = tuple(
            parse_variable(text) or arguments.fail(f"env:{text} is no variable: write env:KEY=value.")
            for text in options.get("env", [])
        )
        if options and not options.keys() & set(_TARGETS):
            arguments.fail("What should be built? Name a branch, tag, commit, workflow or pipeline.")
        options.pop("env", None)
        return cls(app=app, **arguments.require_single(options), environments=environments)

    @property
    def names_something(self) -> bool:
        """Return whether it says what to build (Bitrise API v0.1, build-trigger: at least one of these)."""
        return any((self.branch, self.tag, self.commit, self.workflow, self.pipeline))
