"""What Build.io's messages are made of beside the pieces that all messages are made of. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from domain.build import App
from domain.message import Block
from messages.kit.blocks import button, context, row
from messages.kit.mrkdwn import escape
from providers.buildio.api.models import BuildioApp

COMMAND = "/buildio"
# Of the 50 blocks and 13,200 letters of a message (Slack's rules, "Sizes") the rest is for what stands around a list.
_MOST_BLOCKS = 40
_MOST_LETTERS = 11_000


def optional_button(text: str, action_id: str, value: str | None, **more: Any) -> Block | None:
    """A button; None where there is nothing that it could carry."""
    return button(text, action_id, value, **more) if value is not None else None


def button_row(*made: Block | None) -> list[Block]:
    """Buttons side by side; nothing where there are none."""
    return [row(*made)] if any(one is not None for one in made) else []


def app_name(app: App | BuildioApp, most: int = 150) -> str:
    """What the app is called, for mrkdwn."""
    return escape(app.title if isinstance(app, App) else app.name, most) or "…"


def join_facts(*parts: str | None) -> str:
    """Short things side by side, those that are known."""
    return " · ".join(part for part in parts if part)


def truncate_lines(lines: Sequence[str], most: int) -> list[str]:
    """The first lines, and how many more there are."""
    more = [f"_and {len(lines) - most} more_"] if len(lines) > most else []
    return [*lines[:most], *more]


def fit_rows(rows: Sequence[Sequence[Block]], *, hint: str = "") -> list[Block]:
    """As many rows as a message has room for, each of one or several blocks; those left out are counted."""
    shown: list[Block] = []
    left = _MOST_LETTERS
    for position, blocks in enumerate(rows):
        left -= sum(_letters(block) for block in blocks)
        if left < 0 or len(shown) + len(blocks) > _MOST_BLOCKS:
            return [*shown, context(f"and {len(rows) - position} more{hint}")]
        shown += blocks
    return shown


def _letters(value: Any) -> int:
    if isinstance(value, dict):
        return sum(
            len(inner) if name == "text" and isinstance(inner, str) else _letters(inner)
            for name, inner in value.items()
        )
    return sum(_letters(inner) for inner in value) if isinstance(value, list) else 0
