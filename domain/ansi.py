"""What a terminal would show of what was written to it. Pure; no I/O."""

from __future__ import annotations

import re

# Colours and cursor movements (ECMA-48), window titles (OSC), and single-character escapes.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]|\x9b[0-?]*[ -/]*[@-~]"
)
# What stands before a lone carriage return was written over on a terminal. From the line's beginning alone: tried at
# each letter, a long line would take the square of its length.
_WRITTEN_OVER = re.compile(r"^[^\n]*\r(?!\n)", re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def plain_text(text: str) -> str:
    """The text without colours and overwritten progress lines; its frames and secrets are still there."""
    text = _ESCAPES.sub("", text).replace("\r\n", "\n")
    return _CONTROL.sub("", _WRITTEN_OVER.sub("", text))
