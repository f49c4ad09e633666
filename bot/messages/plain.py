"""Help, and what went wrong."""

from __future__ import annotations

from bot.commands import CATALOGUE, entry_for
from bot.messages.blocks import context, paragraphs, section
from bot.messages.message import Message
from bot.messages.text import escape, sentence


def problem(words: str) -> Message:
    """What was wrong and what to do."""
    safe = sentence(words, 2900)
    return Message(safe, [section(f"⚠️ {safe}")])


def help_message(topic: str | None = None) -> Message:
    """All commands, or one in full."""
    entry = entry_for(topic) if topic else None
    if entry is not None:
        lines = [f"*`/bitrise {escape(entry.usage)}`*", entry.summary, *entry.details]
        examples = [f"`/bitrise {example}`" for example in entry.examples]
        return Message(
            escape(f"/bitrise {entry.usage}: {entry.summary}"),
            [section("\n".join(lines)), section("For example\n" + "\n".join(examples))],
        )
    lines = [f"`/bitrise {escape(one.usage)}` {one.summary}" for one in CATALOGUE]
    return Message(
        "Buildbell's commands: "
        + ", ".join(one.name for one in CATALOGUE)
        + ". Type /bitrise help COMMAND for one.",
        [
            section("*What you can type*"),
            *paragraphs(lines),
            context(
                "`/bitrise help subscribe` says more about one. @buildbell and direct messages take the same words."
            ),
        ],
    )
