"""The command that starts a build. Each person's last one is stored, to fill in the form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from domain.commands.arguments import parse_variable
from domain.commands.command import AppArgument, ArgumentReader, Command, OptionArgument, OptionGroup
from domain.commands.errors import CommandError


def _parse_variables(options: Mapping[str, Sequence[str]]) -> tuple[tuple[str, str], ...]:
    return tuple(map(_parse_variable, options.get("env", ())))


def _parse_variable(text: str) -> tuple[str, str]:
    variable = parse_variable(text)
    if variable is None:
        raise CommandError(
            f"env:{text} is no variable: write env:KEY=value.", example="trigger branch:main env:DRY_RUN=1"
        )
    return variable


_VARIABLES = OptionGroup(
    ("env",),
    _parse_variables,
    lambda variables: [("env", f"{name}={value}") for name, value in variables],
    usage="env:KEY=VALUE",
)


class TriggerBuild(Command):
    """Start a build; without a branch, tag or the like, open the form."""

    app: AppArgument = None
    branch: OptionArgument = None
    tag: OptionArgument = None
    commit: OptionArgument = None
    workflow: OptionArgument = None
    pipeline: OptionArgument = None
    message: OptionArgument = None
    environments: Annotated[tuple[tuple[str, str], ...], _VARIABLES] = ()

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> TriggerBuild:
        """Parse the app and what to build."""
        command = super().parse(arguments)
        if not command.names_something and (command.message or command.environments):
            arguments.fail("What should be built? Name a branch, tag, commit, workflow or pipeline.")
        return command

    @property
    def names_something(self) -> bool:
        """Return whether it says what to build (Bitrise API v0.1, build-trigger: at least one of these)."""
        return any((self.branch, self.tag, self.commit, self.workflow, self.pipeline))
