"""Block Kit builders that always stay within Slack's size limits (Slack's rules, "Sizes"). Pure; no I/O.

They return dicts, not slack_sdk's classes, which drop blocks that they do not know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from domain.message import Block, Message
from domain.redaction.redactor import redact_beginning
from messages.kit.mrkdwn import address, block_of_code, cut, cut_markup, visible_text

MAX_BLOCKS = 50
SECTION_TEXT = 3000
CONTEXT_TEXT = 2000
BUTTON_TEXT = 75
BUTTON_VALUE = 2000
LONGEST_URL = 3000
# An escaped letter may take five characters, and a section has room for 3000.
_PIECE = 500


def mrkdwn(text: str, most: int = SECTION_TEXT) -> Block:
    """Return a mrkdwn object; `verbatim`, so that Slack finds no links, channels or mentions in untrusted text."""
    return {"type": "mrkdwn", "text": cut_markup(text, most), "verbatim": True}


def plain_text(text: str, most: int) -> Block:
    """Return a plain text object."""
    return {
        "type": "plain_text",
        "text": cut(visible_text(redact_beginning(text, most)), most),
        "emoji": True,
    }


def section(text: str, accessory: Block | None = None) -> Block:
    """Return a section block, optionally with a button beside it."""
    block: Block = {"type": "section", "text": mrkdwn(text)}
    return block | {"accessory": accessory} if accessory else block


def text_message(text: str, *below: Block, symbol: str = "") -> Message:
    """Return a message that shows its text, behind the symbol, above the other blocks."""
    return Message(text, [section(f"{symbol} {text}" if symbol else text), *below])


def header(text: str) -> Block:
    """Return a header block."""
    return {"type": "header", "text": plain_text(text, 150)}


def context(*texts: str) -> Block:
    """Return a context block: small grey text."""
    return {"type": "context", "elements": [mrkdwn(text, CONTEXT_TEXT) for text in texts[:10]]}


def row(*buttons: Block | None) -> Block:
    """Return an actions block: buttons side by side."""
    return {"type": "actions", "elements": [button for button in buttons if button is not None]}


def button_row(*buttons: Block | None) -> list[Block]:
    """Return a row of buttons; empty if there are none."""
    return [row(*buttons)] if any(buttons) else []


def button(
    text: str,
    action_id: str,
    value: str,
    *,
    style: Literal["primary", "danger"] | None = None,
    confirm: Block | None = None,
    label: str | None = None,
) -> Block:
    """Return a button; `label` is for screen readers if the text alone is not enough."""
    block: dict[str, Any] = {
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
    return block | {name: setting for name, setting in optional.items() if setting is not None}


def page_row(page: int, pages: int, action_id: str, value_of: Callable[[int], str | None]) -> list[Block]:
    """Return the row of buttons for the pages before and after this one; empty if there are none."""
    turns = (("Previous page", action_id, page - 1), ("Next page", f"{action_id}_next", page + 1))
    return button_row(
        *(
            button(text, turn_id, value)
            for text, turn_id, number in turns
            if 1 <= number <= pages and (value := value_of(number)) is not None
        )
    )


def link_button(text: str, url: str | None, action_id: str) -> Block | None:
    """Return a button that opens a URL; None if there is no URL or it is too long for a button."""
    safe = address(url)
    if safe is None or len(safe) > LONGEST_URL:
        return None
    return {"type": "button", "text": plain_text(text, BUTTON_TEXT), "action_id": action_id, "url": safe}


def confirm(title: str, text: str, yes: str) -> Block:
    """Return a confirmation dialog."""
    return {
        "title": plain_text(title, 100),
        "text": plain_text(text, 300),
        "confirm": plain_text(yes, 30),
        "deny": plain_text("Cancel", 30),
    }


def letter_by_letter(text: str, *, continued: str = "") -> list[Block]:
    """Show text unchanged, in as many code blocks as it needs: nothing is cut, short lines stay whole.

    `continued` marks a block that continues the last line of the block before.
    """
    pieces: list[str] = []
    for line in text.split("\n"):
        for start in range(0, len(line) or 1, _PIECE):
            part = line[start : start + _PIECE]
            if pieces and start == 0 and len(pieces[-1]) + 1 + len(part) <= _PIECE:
                pieces[-1] += "\n" + part
            else:
                pieces.append(part if start == 0 else continued + part)
    return [section(block_of_code(piece, SECTION_TEXT - 100)) for piece in pieces]


def more_note(left: int, what: str = "") -> list[Block]:
    """Say how many things are not shown; nothing if all are. `what` follows the number."""
    return [context(f"and {left} more{what}")] if left > 0 else []


def first_lines(lines: Sequence[str], most: int, what: str = "") -> list[str]:
    """Return the first lines, and the number of further ones, which `what` follows."""
    more = [f"_and {len(lines) - most} more{what}_"] if len(lines) > most else []
    return [*lines[:most], *more]


def paragraphs(lines: Sequence[str], max_blocks: int = 3) -> list[Block]:
    """Put lines into as few sections as possible; the message says how many lines did not fit."""
    texts: list[str] = []
    for position, line in enumerate(lines):
        if texts and len(texts[-1]) + 1 + len(line) <= SECTION_TEXT - 100:
            texts[-1] += "\n" + line
        elif len(texts) < max_blocks:
            texts.append(line)
        else:
            texts[-1] += f"\n_and {len(lines) - position} more_"
            break
    return [section(text) for text in texts]
