"""Building blocks of Build.io's messages, in addition to those of all messages. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.build import App
from domain.message import Block
from messages.kit.blocks import button, context, row
from messages.kit.mrkdwn import escape
from providers.buildio.api.models import BuildioApp

COMMAND = "/buildio"
# Of the 50 blocks and 13,200 characters of a message (Slack's rules, "Sizes"), the rest is for what surrounds a list.
_MAX_BLOCKS = 40
_MAX_CHARACTERS = 11_000


def optional_button(text: str, action_id: str, value: str | None, **more: Any) -> Block | None:
    """Build a button; None if there is no value for it."""
    return button(text, action_id, value, **more) if value is not None else None


def button_row(*items: Block | None) -> list[Block]:
    """Build a row of buttons; empty if there are none."""
    return [row(*items)] if any(item is not None for item in items) else []


def app_name(app: App | BuildioApp, most: int = 150) -> str:
    """Return the app's name for mrkdwn."""
    return escape(app.title if isinstance(app, App) else app.name, most) or "…"


def join_facts(*parts: str | None) -> str:
    """Join short facts in one line; unknown ones are skipped."""
    return " · ".join(part for part in parts if part)


def truncate_lines(lines: Sequence[str], most: int) -> list[str]:
    """Return the first lines, and the number of further ones."""
    more = [f"_and {len(lines) - most} more_"] if len(lines) > most else []
    return [*lines[:most], *more]


def fit_rows(rows: Sequence[Sequence[Block]], *, hint: str = "") -> list[Block]:
    """Return as many rows as fit into a message, each of one or more blocks; the number of omitted ones follows."""
    shown: list[Block] = []
    left = _MAX_CHARACTERS
    for position, blocks in enumerate(rows):
        left -= sum(_count_characters(block) for block in blocks)
        if left < 0 or len(shown) + len(blocks) > _MAX_BLOCKS:
            return [*shown, context(f"and {len(rows) - position} more{hint}")]
        shown += blocks
    return shown


def _count_characters(value: Any) -> int:
    if isinstance(value, dict):
        return sum(
            len(inner) if name == "text" and isinstance(inner, str) else _count_characters(inner)
            for name, inner in value.items()
        )
    return sum(_count_characters(inner) for inner in value) if isinstance(value, list) else 0
