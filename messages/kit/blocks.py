"""Block Kit pieces that keep Slack's sizes by construction (Slack's rules, "Sizes"). Pure; no I/O.

Dicts and not slack_sdk's classes: those drop blocks that they do not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from domain.message import Block
from domain.redaction.redactor import redact_beginning
from messages.kit.mrkdwn import address, block_of_code, cut, cut_markup, visible_text

MOST_BLOCKS = 50
SECTION_TEXT = 3000
CONTEXT_TEXT = 2000
BUTTON_TEXT = 75
BUTTON_VALUE = 2000
LONGEST_URL = 3000
# Each letter may take five places once it is escaped, and a section has room for 3000.
_PIECE = 500


def mrkdwn(text: str, most: int = SECTION_TEXT) -> Block:
    """Markup of our own; `verbatim`, so that Slack finds no links, channels or mentions in words from outside."""
    return {"type": "mrkdwn", "text": cut_markup(text, most), "verbatim": True}


def plain_text(text: str, most: int) -> Block:
    """Text without markup."""
    return {
        "type": "plain_text",
        "text": cut(visible_text(redact_beginning(text, most)), most),
        "emoji": True,
    }


def section(text: str, accessory: Block | None = None) -> Block:
    """A paragraph, with something to press beside it."""
    block: Block = {"type": "section", "text": mrkdwn(text)}
    return block | {"accessory": accessory} if accessory else block


def header(text: str) -> Block:
    """A heading."""
    return {"type": "header", "text": plain_text(text, 150)}


def context(*texts: str) -> Block:
    """Small grey words."""
    return {"type": "context", "elements": [mrkdwn(text, CONTEXT_TEXT) for text in texts[:10]]}


def row(*buttons: Block | None) -> Block:
    """Buttons side by side."""
    return {"type": "actions", "elements": [button for button in buttons if button is not None]}


def button(
    text: str,
    action_id: str,
    value: str,
    *,
    style: Literal["primary", "danger"] | None = None,
    confirm: Block | None = None,
    label: str | None = None,
) -> Block:
    """A button; `label` is what a screen reader says where the text alone is not enough."""
    made: dict[str, Any] = {
        "type": "button",
        "text": plain_text(text, BUTTON_TEXT),
        "action_id": action_id,
        "value": value,
    }
    if len(value) > BUTTON_VALUE:
        raise ValueError(f"the value of {action_id} is too long for a button")
    optional = {
        "style": style,
        "confirm": confirm,
        "accessibility_label": cut(visible_text(redact_beginning(label, BUTTON_TEXT)), BUTTON_TEXT)
        if label
        else None,
    }
    return made | {name: chosen for name, chosen in optional.items() if chosen is not None}


def link_button(text: str, url: str | None, action_id: str) -> Block | None:
    """A button that opens an address; None where there is none, or one too long for a button."""
    safe = address(url)
    if safe is None or len(safe) > LONGEST_URL:
        return None
    return {"type": "button", "text": plain_text(text, BUTTON_TEXT), "action_id": action_id, "url": safe}


def confirm(title: str, text: str, yes: str) -> Block:
    """A question before something is done."""
    return {
        "title": plain_text(title, 100),
        "text": plain_text(text, 300),
        "confirm": plain_text(yes, 30),
        "deny": plain_text("Not now", 30),
    }


def letter_by_letter(text: str, *, continued: str = "") -> list[Block]:
    """Text as it is, in as many blocks of code as it needs: nothing of it is cut, short lines stay whole.

    `continued` marks a block that goes on with the line of the one before it.
    """
    pieces: list[str] = []
    for line in text.split("\n"):
        for at in range(0, len(line) or 1, _PIECE):
            part = line[at : at + _PIECE]
            if pieces and at == 0 and len(pieces[-1]) + 1 + len(part) <= _PIECE:
                pieces[-1] += "\n" + part
            else:
                pieces.append(part if at == 0 else continued + part)
    return [section(block_of_code(piece, SECTION_TEXT - 100)) for piece in pieces]


def paragraphs(lines: Sequence[str], most_blocks: int = 3) -> list[Block]:
    """Lines in as few sections as they fit into; those that don't fit are left out, which is said."""
    texts: list[str] = []
    for position, line in enumerate(lines):
        if texts and len(texts[-1]) + 1 + len(line) <= SECTION_TEXT - 100:
            texts[-1] += "\n" + line
        elif len(texts) < most_blocks:
            texts.append(line)
        else:
            texts[-1] += f"\n_and {len(lines) - position} more_"
            break
    return [section(text) for text in texts]
