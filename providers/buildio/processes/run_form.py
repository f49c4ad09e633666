"""Commands in a process: what can be typed after `run`, the form, the exact array to run, and the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from domain.build import App
from domain.commands.command import AppArgument, ArgumentKind, ArgumentReader, Command, OptionArgument
from domain.commands.errors import CommandError
from domain.commands.tokenizer import split_shell_words
from domain.message import Block, Message
from domain.redaction.redactor import redact
from messages.kit.blocks import button_row, confirm, context, letter_by_letter, section, text_message
from messages.kit.mrkdwn import block_of_code, code, escape, mention
from messages.kit.views import FormValues
from providers.buildio import action_ids
from providers.buildio.api.models import CommandResult
from providers.buildio.shared.arguments import LONGEST_COMMAND, format_array
from providers.buildio.shared.blocks import app_name, optional_button
from providers.buildio.shared.button_values import RunButton, ShareButton
from providers.buildio.shared.lookup import AppOrigin
from services.request.forms import CheckedInput


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
            arguments.fail("Which command? Type it after `--`.")
        command = split_shell_words(command_text or "")
        if command_text is not None and not command:
            arguments.fail("Which command? Nothing follows `--`.")
        if len(format_array(command)) > LONGEST_COMMAND:
            arguments.fail(
                f"The command is longer than {LONGEST_COMMAND} characters."
                " Put it in a script of the app and run that."
            )
        app = arguments.take_positional()
        return cls(app=app, command=command, **arguments.take_single_options("dyno"))


DYNO, TYPED = "dyno", "typed"
TITLE = "Run a command"
LONGEST_OUTPUT = 2900
SAID_NOTHING = "_No output._"
# The text of an earlier version, whose messages can still be shared.
_EARLIER_SAID_NOTHING = "_It said nothing._"


class RunForm(RunCommand, CheckedInput):
    """The input; `typed` is the command as typed, `unread` the reason why it can't be parsed."""

    command: tuple[str, ...] = ()
    typed: str = ""
    unread: str | None = None

    @property
    def problems(self) -> Mapping[str, str]:
        """Return errors by field."""
        if self.unread is not None:
            return {TYPED: self.unread}
        if not self.command or not self.command[0].strip():
            return {TYPED: "Enter a command."}
        if len(format_array(self.command)) > LONGEST_COMMAND:
            return {
                TYPED: f"It's longer than {LONGEST_COMMAND} characters. Put it in a script of the app and run that."
            }
        return {}


class RunOrigin(AppOrigin):
    """Metadata with the app's name and, once it has been shown, the command to run."""

    dyno: Annotated[str, Field(max_length=200)] = ""
    command: tuple[str, ...] = ()


def read_run(values: FormValues) -> RunForm:
    """Read the input from `values`, the view's state as Slack sends it."""
    dyno = values.picked(DYNO) or values.text(DYNO).strip() or None
    typed = values.text(TYPED)
    try:
        return RunForm(dyno=dyno, command=split_shell_words(typed), typed=typed)
    except CommandError as mistake:
        return RunForm(dyno=dyno, typed=typed, unread=mistake.problem)


def command_result(
    app: App, dyno: str, command: Sequence[str], done: CommandResult, *, channel: str | None = None
) -> Message:
    """The result for the person who ran the command: array, output, exit code; it can be shared in `channel`."""
    mark = "❔" if done.exit_code is None else "❌" if done.exit_code else "✅"
    head = f"{mark} The command in {code(dyno)} of *{app_name(app)}* {_describe_end(done.exit_code)}"
    blocks = [section(head), *array_blocks(command)]
    if done.output.strip():
        blocks.append(section(block_of_code(redact(done.output.rstrip()), LONGEST_OUTPUT)))
    else:
        blocks.append(section(SAID_NOTHING))
    cut = " Only the end of the output is shown." if done.cut or len(done.output) > LONGEST_OUTPUT else ""
    note = context(
        f"Only you see this, and Slack keeps it. Config var values and known secrets are redacted.{cut}"
    )
    return Message(
        escape(f"The command in {dyno} of {app.title} {_describe_end(done.exit_code)}", 500),
        [*blocks, note, *_share_buttons(app, dyno, channel)],
    )


def command_result_shared(app: App, dyno: str, shown: Sequence[Block], *, by: str) -> Message:
    """Channel message: a command's output, shared by the person who ran it; `shown` are the blocks that they saw."""
    text = f"{mention(by)} shared the output of a command in {code(dyno)} of *{app_name(app)}*"
    return text_message(text, *_code_blocks(shown), symbol="⌨️")


def result_shared_notice(channel: str) -> Message:
    """Confirmation for the person who shared the output."""
    return text_message(f"Shared in <#{channel}>.")


def _share_buttons(app: App, dyno: str, channel: str | None) -> list[Block]:
    if channel is None:
        return []
    question = confirm(
        "Share the output?",
        "Everyone in the channel will be able to read the command and its output. Check them for secrets first.",
        "Share",
    )
    value = ShareButton.fitting(channel=channel, app=app.slug, dyno=dyno)
    return button_row(optional_button("Share in channel…", action_ids.RUN_SHARE, value, confirm=question))


def _code_blocks(shown: Sequence[Block]) -> list[Block]:
    """Return only the code blocks, the command and its output, as they were shown to the person."""
    texts_of_blocks = [block.get("text") for block in shown if block.get("type") == "section"]
    texts = [
        str(text_object.get("text") or "") for text_object in texts_of_blocks if isinstance(text_object, dict)
    ]
    return [
        section(text)
        for text in texts
        if text.startswith("```") or text in (SAID_NOTHING, _EARLIER_SAID_NOTHING)
    ]


def command_run(app: App, dyno: str, command: Sequence[str], *, by: str, exit_code: int | None) -> Message:
    """Channel message: a command was run, without its output."""
    text = f"{mention(by)} ran a command in {code(dyno)} of *{app_name(app)}*; it {_describe_end(exit_code)}"
    return text_message(text, *array_blocks([redact(word) for word in command]), symbol="⌨️")


def array_blocks(command: Sequence[str]) -> list[Block]:
    """The array exactly as Build.io receives it, in as many blocks as needed; arrays over the limit are truncated."""
    text = format_array(command)
    shown = text[:LONGEST_COMMAND]
    cut = [context(f"and {len(text) - len(shown)} more characters")] if len(text) > len(shown) else []
    return [*letter_by_letter(shown), *cut]


def run_button(app: App, command: RunCommand) -> Message:
    """A button that opens the form, if none can be opened now, with as much of the input as it can hold."""
    text = f"Review the command before it runs in *{app_name(app)}*."
    with_command = RunButton.fitting(
        app=app.slug, title=app.title[:100], dyno=command.dyno or "", command=command.command
    )
    value = with_command or RunButton.fitting(app=app.slug, title=app.title[:100])
    return text_message(text, *button_row(optional_button("Review…", action_ids.RUN, value)))


def _describe_end(exit_code: int | None) -> str:
    return (
        f"finished with exit code {exit_code}"
        if exit_code is not None
        else "finished; Build.io doesn't report its exit code"
    )
