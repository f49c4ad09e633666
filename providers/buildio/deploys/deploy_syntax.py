"""What can be typed after `deploy`; the form extends it."""

from __future__ import annotations

from domain.commands.command import AppArgument, ArgumentReader, Command, OptionArgument


class Deploy(Command):
    """Build an app and release it; without any argument, the form is opened."""

    app: AppArgument = None
    branch: OptionArgument = None
    commit: OptionArgument = None
    message: OptionArgument = None

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> Deploy:
        """Parse the fields. Access rules check the branch; beside a commit, it would not be what is built."""
        command = super().parse(arguments)
        if command.branch is not None and command.commit is not None:
            arguments.fail("Give a branch or a commit, not both.")
        return command

    @property
    def names_something(self) -> bool:
        """Return whether there is any argument (reference, "Builds": branch, commitish, description are optional)."""
        return any((self.app, self.branch, self.commit, self.message))
