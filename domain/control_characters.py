"""Removal of control characters: NUL from external input, terminal codes from logs. Pure; no I/O.

No text needs a NUL, and some databases refuse it: PostgreSQL stores none (PostgreSQL, "Character Types"), and C
programs end a text at it.
"""

from __future__ import annotations

import re
from typing import Any

# JSON writes a NUL as \u0000; if the backslash itself is escaped, that is six ordinary characters (RFC 8259, 7).
_ESCAPED_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)(?:\\u0000)+")


def json_without_nul(body: bytes) -> bytes:
    """Return a JSON document without NULs in its texts; raw ones, which JSON does not allow, are removed too."""
    if b"\0" in body:
        body = body.replace(b"\0", b"")
    return _ESCAPED_NUL.sub(rb"\1", body) if b"\\u0000" in body else body


def remove_nul(value: Any) -> Any:
    """Return parsed JSON without NULs in any text; a list or dictionary is changed in place."""
    root = [value]
    pending: list[Any] = [root]
    while pending:
        container = pending.pop()
        if isinstance(container, dict):
            for key in [key for key in container if isinstance(key, str) and "\0" in key]:
                container[key.replace("\0", "")] = container.pop(key)
            items: Any = container.items()
        else:
            items = enumerate(container)
        for key, item in list(items):
            if isinstance(item, str) and "\0" in item:
                container[key] = item.replace("\0", "")
            elif isinstance(item, dict | list):
                pending.append(item)
    return root[0]


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
