"""Help, errors and short notices."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from domain.commands.command import CommandDefinition
from domain.commands.parser import CommandParser
from domain.message import Block, Message
from domain.provider import Provider
from messages.accounts import connect_account_button
from messages.kit import action_ids
from messages.kit.blocks import button, context, paragraphs, row, section, text_message
from messages.kit.button_values import PolicyButton
from messages.kit.mrkdwn import cut_markup, escape, sentence
from messages.kit.views import modal


def error_message(
    words: str, *, connect: Provider | None = None, rule: PolicyButton | None = None
) -> Message:
    """Say what was wrong and what to do, with the button for it: connect an account, or add a rule."""
    safe = sentence(words, 2900)
    blocks = [section(f"⚠️ {safe}")]
    if connect is not None:
        blocks.append(row(connect_account_button(connect)))
    if rule is not None:
        blocks.append(row(button("Add a rule…", action_ids.POLICY_ADD, rule.encode())))
    return Message(safe, blocks)


def add_connect_button(message: Message, words: str, provider: Provider) -> Message:
    """Append the reason why the message shows no more, and the button that connects an account."""
    return Message(message.text, [*message.blocks, section(words), row(connect_account_button(provider))])


def sent_as_direct_message(words: str) -> Message:
    """Say that something was sent as a direct message."""
    return text_message(words, symbol="📨")


def in_progress() -> Message:
    """Say that the request is in progress."""
    return Message("One moment…", [section("⏳ One moment…")])


def notice_modal(title: str, words: str) -> Block:
    """Render a modal with one sentence: a notice, or what went wrong."""
    return modal(
        title,
        [section(sentence(words, 2900))],
    )


def join_messages(messages: Sequence[Message]) -> Message:
    """Join several messages into one, with dividers."""
    blocks = [block for message in messages for block in (*message.blocks, {"type": "divider"})]
    return Message(cut_markup(" ".join(message.text for message in messages), 3500), blocks[:-1])


def open_form_prompt(words: str, label: str, action_id: str, value: str) -> Message:
    """Offer a button that opens a form. Slack opens forms only after a press, a command or a shortcut."""
    return text_message(words, row(button(label, action_id, value, style="primary")))


def help_message(topic: str | None, parser: CommandParser) -> Message:
    """List the commands of a provider, or show one in full."""
    command = parser.provider.command
    entry = parser.find_help(topic) if topic else None
    if entry is not None:
        lines = [f"*`{command} {escape(entry.usage)}`*", entry.summary]
        lines += [_usage(part, command) for part in parser.subcommands_of(entry)]
        lines += parser.notes_of(entry)
        examples = [f"`{command} {escape(example)}`" for example in entry.examples]
        return Message(
            escape(f"{command} {entry.usage}: {entry.summary}"),
            [section("\n".join(lines)), section("*Examples*\n" + "\n".join(examples))],
        )
    return Message(
        "Buildbell's commands: "
        + ", ".join(entry.name for entry in parser.catalogue)
        + f". Type {command} help COMMAND for details.",
        [
            section("*Commands*"),
            *paragraphs([_usage(entry, command) for entry in parser.catalogue]),
            context(
                f"`{command} help subscribe` explains one command. All work after @buildbell and in direct messages."
            ),
        ],
    )


@cache
def _usage(entry: CommandDefinition, command: str) -> str:
    return f"`{command} {escape(entry.usage)}` {entry.summary}"
