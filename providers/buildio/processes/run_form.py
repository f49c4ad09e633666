"""Commands that run in a process: the form, the array exactly as it will run, and what it left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from domain.build import App
from domain.commands.errors import CommandError
from domain.commands.tokenizer import split_shell_words
from domain.message import Block, Message
from domain.provider import Provider
from domain.redaction.redactor import redact
from messages.kit import action_ids
from messages.kit.blocks import confirm, context, letter_by_letter, plain_text, section
from messages.kit.mrkdwn import block_of_code, code, escape, mention
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import (
    MOST_OPTIONS,
    FormValues,
    field,
    is_pickable,
    modal,
    option,
    text_element,
    warning,
)
from providers.buildio.api.models import CommandResult, Dyno
from providers.buildio.commands import RunCommand
from providers.buildio.shared.arguments import LONGEST_COMMAND, format_array
from providers.buildio.shared.blocks import app_name, button_row, optional_button
from providers.buildio.shared.button_values import RunButton, ShareButton, Title

DYNO, TYPED = "dyno", "typed"
TITLE = "Run a command"
LONGEST_OUTPUT = 2900
SAID_NOTHING = "_It said nothing._"


class RunForm(RunCommand):
    """What is filled in; `typed` is the command as it was typed, `unread` why it can't be read."""

    command: tuple[str, ...] = ()
    typed: str = ""
    unread: str | None = None

    @classmethod
    def of(cls, command: RunCommand, typed: str) -> RunForm:
        """The form that asks for this."""
        return cls(app=command.app, dyno=command.dyno, command=command.command, typed=typed)

    @property
    def problems(self) -> Mapping[str, str]:
        """What is wrong, by field."""
        if self.unread is not None:
            return {TYPED: self.unread}
        if not self.command or not self.command[0].strip():
            return {TYPED: "Which command?"}
        if len(format_array(self.command)) > LONGEST_COMMAND:
            return {
                TYPED: f"It is longer than {LONGEST_COMMAND} characters. Put it into a script of the app, and run that."
            }
        return {}


class RunOrigin(ViewMetadata):
    """Also what the app is called, and what is about to run, once it has been shown."""

    title: Title = ""
    dyno: Annotated[str, Field(max_length=200)] = ""
    command: tuple[str, ...] = ()

    @property
    def of_app(self) -> App:
        """The app, as far as a form shows it."""
        return App(provider=Provider.BUILDIO, slug=self.app, title=self.title)


def run_modal(
    form: RunForm, app: App, dynos: Sequence[Dyno], *, origin: RunOrigin, problem: str | None = None
) -> Block:
    """The form that asks which command is to run, and in which process."""
    names = [one.name for one in dynos if is_pickable(one.name)][:MOST_OPTIONS]
    options = [option(name, name) for name in names]
    chosen = next((one for one in options if one["value"] == form.dyno), None)
    select: Block = {
        "type": "static_select",
        "options": options,
        "placeholder": plain_text("Pick a process", 150),
    } | ({"initial_option": chosen} if chosen else {})
    dyno = select if options else text_element(form.dyno, most=100, placeholder="web.1")
    return modal(
        TITLE,
        [
            *warning(problem),
            section(f"In a running process of *{app_name(app)}*. You see what will run before it does."),
            field(DYNO, "Process", dyno, optional=False),
            field(
                TYPED,
                "Command",
                text_element(form.typed, most=LONGEST_COMMAND, placeholder="bin/rails db:version"),
                hint="Words are split at spaces, \"…\" and '…' hold some together. No shell reads it.",
                optional=False,
            ),
        ],
        callback_id=action_ids.BUILDIO_RUN_MODAL,
        private_metadata=origin.encode(),
        submit="Look at it",
        close="Cancel",
    )


def read_run(values: Mapping[str, Any]) -> RunForm:
    """What was filled in. `values` is the view's state as Slack sends it."""
    filled = FormValues(values)
    dyno = filled.picked(DYNO) or filled.text(DYNO).strip() or None
    typed = filled.text(TYPED)
    try:
        return RunForm(dyno=dyno, command=split_shell_words(typed), typed=typed)
    except CommandError as mistake:
        return RunForm(dyno=dyno, typed=typed, unread=mistake.problem)


def run_check(app: App, *, origin: RunOrigin, problem: str | None = None) -> Block:
    """What is about to run, exactly, to be looked at and then run. It stands in the origin."""
    return modal(
        TITLE,
        [
            *warning(problem),
            section(f"This runs in {code(origin.dyno)} of *{app_name(app)}*, as an array of these words:"),
            *array_blocks(origin.command),
            context("It runs once, with a time limit. What ran is noted; what it says only you see."),
        ],
        callback_id=action_ids.BUILDIO_RUN_CHECK,
        private_metadata=origin.encode(),
        submit="Run it",
        close="Cancel",
    )


def command_result(
    app: App, dyno: str, command: Sequence[str], done: CommandResult, *, channel: str | None = None
) -> Message:
    """For whoever ran it: the array, what it said and how it ended; with `channel` it can be shown there."""
    mark = "❔" if done.exit_code is None else "❌" if done.exit_code else "✅"
    head = f"{mark} The command in {code(dyno)} of *{app_name(app)}* {_ended(done.exit_code)}"
    blocks = [section(head), *array_blocks(command)]
    if done.output.strip():
        blocks.append(section(block_of_code(redact(done.output.rstrip()), LONGEST_OUTPUT)))
    else:
        blocks.append(section(SAID_NOTHING))
    cut = " Only the end of what it said is here." if done.cut or len(done.output) > LONGEST_OUTPUT else ""
    note = context(
        "Only you see this, and Slack keeps it. Values of config vars, and what looks like a secret, are taken out."
        f"{cut}"
    )
    return Message(
        escape(f"The command in {dyno} of {app.title} {_ended(done.exit_code)}", 500),
        [*blocks, note, *_share(app, dyno, channel)],
    )


def command_result_shared(app: App, dyno: str, shown: Sequence[Block], *, by: str) -> Message:
    """To the channel: what a command said, as somebody saw it who now shows it to all; `shown` is what they saw."""
    text = f"{mention(by)} shows what a command in {code(dyno)} of {app_name(app)} said"
    return Message(text, [section(f"⌨️ {text}"), *_without_head(shown)])


def result_shared_notice(channel: str) -> Message:
    """To whoever showed it: where it stands now."""
    text = f"It stands in <#{channel}> now."
    return Message(text, [section(text)])


def _share(app: App, dyno: str, channel: str | None) -> list[Block]:
    if channel is None:
        return []
    question = confirm(
        "Show it to everybody?",
        "Everybody in the channel reads what the command said. Look through it once more before.",
        "Show it",
    )
    value = ShareButton.fitting(channel=channel, app=app.slug, dyno=dyno)
    return button_row(
        optional_button("Show it in the channel…", action_ids.BUILDIO_RUN_SHARE, value, confirm=question)
    )


def _without_head(shown: Sequence[Block]) -> list[Block]:
    """What ran, and what it said: the code alone, as it was shown to one person."""
    within = [block.get("text") for block in shown if block.get("type") == "section"]
    texts = [str(one.get("text") or "") for one in within if isinstance(one, dict)]
    return [section(text) for text in texts if text.startswith("```") or text == SAID_NOTHING]


def command_run(app: App, dyno: str, command: Sequence[str], *, by: str, exit_code: int | None) -> Message:
    """To the channel: what somebody ran, and not what it said."""
    text = f"{mention(by)} ran a command in {code(dyno)} of {app_name(app)}; it {_ended(exit_code)}"
    return Message(text, [section(f"⌨️ {text}"), *array_blocks([redact(word) for word in command])])


def array_blocks(command: Sequence[str]) -> list[Block]:
    """The array exactly as Build.io gets it, in as many blocks as it needs; longer ones than may run are cut."""
    text = format_array(command)
    shown = text[:LONGEST_COMMAND]
    cut = [context(f"and {len(text) - len(shown)} characters more")] if len(text) > len(shown) else []
    return [*letter_by_letter(shown), *cut]


def run_button(app: App, command: RunCommand) -> Message:
    """Where no form opens: a button that opens it, with what was typed as far as a button holds it."""
    words = f"In which process of {app_name(app)}, which command?"
    known = RunButton.fitting(
        app=app.slug, title=app.title[:100], dyno=command.dyno or "", command=command.command
    )
    value = known or RunButton.fitting(app=app.slug, title=app.title[:100])
    return Message(
        words, [section(words), *button_row(optional_button("Look at it…", action_ids.BUILDIO_RUN, value))]
    )


def _ended(exit_code: int | None) -> str:
    return "ended, and Build.io does not say how" if exit_code is None else f"ended with {exit_code}"
