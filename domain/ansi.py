"""Removal of terminal control codes: leaves the text that a terminal would show. Pure; no I/O."""

from __future__ import annotations

import re

# Colours and cursor movements (ECMA-48), window titles (OSC), and single-character escapes.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[@-Z\\-_]|\x9b[0-?]*[ -/]*[@-~]"
)
# On a terminal, text before a lone carriage return was overwritten. Anchored at the line's beginning: tried at each
# letter, a long line would take quadratic time.
_WRITTEN_OVER = re.compile(r"^[^\n]*\r(?!\n)", re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def plain_text(text: str) -> str:
    """Remove colours and overwritten progress lines; frames and secrets stay."""
    text = _ESCAPES.sub("", text).replace("\r\n", "\n")
    return _CONTROL.sub("", _WRITTEN_OVER.sub("", text))
