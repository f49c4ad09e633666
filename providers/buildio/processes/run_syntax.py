"""What can be typed after `run`; the form extends it."""

from __future__ import annotations

from typing import Annotated

from domain.commands.command import AppArgument, ArgumentKind, ArgumentReader, Command, OptionArgument
from domain.commands.tokenizer import split_shell_words
from providers.buildio.shared.arguments import LONGEST_COMMAND, format_array


class RunCommand(Command):
    """Run a command in a running process, as an array of words (reference, "Dynos"); without one, open the form."""

    app: AppArgument = None
    dyno: OptionArgument = None
    command: Annotated[tuple[str, ...], ArgumentKind.SHELL] = ()

    @classmethod
    def parse(cls, arguments: ArgumentReader) -> RunCommand:
        """Parse the app, the process, and the command behind two dashes."""
        command_text = arguments.take_after_dashes()
        if command_text is None and sum(token.key is None for token in arguments.tokens) > 1:
            arguments.fail("Which command? Write it behind two dashes.")
        command = split_shell_words(command_text or "")
        if command_text is not None and not command:
            arguments.fail("Which command? There is nothing behind the two dashes.")
        if len(format_array(command)) > LONGEST_COMMAND:
            arguments.fail(
                f"The command is longer than {LONGEST_COMMAND} characters."
                " Put it into a script of the app, and run that."
            )
        app = arguments.take_positional()
        return cls(app=app, command=command, **arguments.take_single_options("dyno"))
