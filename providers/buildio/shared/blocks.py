"""Building blocks of Build.io's messages, in addition to those of all messages. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.build import App
from domain.message import Block, Message
from messages.kit.blocks import button, more_note, section, text_message
from messages.kit.mrkdwn import escape

COMMAND = "/buildio"
# Of the 50 blocks and 13,200 characters of a message (Slack's rules, "Sizes"), the rest is for what surrounds a list.
_MAX_BLOCKS = 40
_MAX_CHARACTERS = 11_000


def optional_button(text: str, action_id: str, value: str | None, **more: Any) -> Block | None:
    """Build a button; None if there is no value for it."""
    return button(text, action_id, value, **more) if value is not None else None


def app_name(app: App, most: int = 150) -> str:
    """Return the app's name for mrkdwn."""
    return escape(app.title, most) or "…"


def fit_rows(rows: Sequence[Sequence[Block]], *, hint: str = "") -> list[Block]:
    """Return as many rows as fit into a message, each of one or more blocks; the number of omitted ones follows."""
    shown: list[Block] = []
    left = _MAX_CHARACTERS
    for position, blocks in enumerate(rows):
        left -= sum(_count_characters(block) for block in blocks)
        if left < 0 or len(shown) + len(blocks) > _MAX_BLOCKS:
            return [*shown, *more_note(len(rows) - position, hint)]
        shown += blocks
    return shown


def resource_list(
    kind: str, names: Sequence[str], rows: Sequence[Block], *, empty: str, below: Sequence[Block] = ()
) -> Message:
    """A list of named resources below their number; if there are none, `empty` says so."""
    if not names:
        return text_message(empty, *below)
    head = section(f"*{len(names)} {kind}{'s' if len(names) != 1 else ''}*")
    return Message(escape(f"{kind.capitalize()}s: {', '.join(names)}", 2000), [head, *rows, *below])


def _count_characters(value: Any) -> int:
    if isinstance(value, dict):
        return sum(
            len(inner) if name == "text" and isinstance(inner, str) else _count_characters(inner)
            for name, inner in value.items()
        )
    return sum(_count_characters(inner) for inner in value) if isinstance(value, list) else 0
