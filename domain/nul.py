"""Removal of NUL characters from external input: no text needs one, and some databases refuse them.

PostgreSQL stores no text with a NUL (PostgreSQL, "Character Types"), and C programs end a text at it.
"""

from __future__ import annotations

import re
from typing import Any

# JSON writes a NUL as \u0000; if the backslash itself is escaped, that is six ordinary characters (RFC 8259, 7).
_ESCAPED = re.compile(rb"(?<!\\)((?:\\\\)*)(?:\\u0000)+")


def json_without_nul(body: bytes) -> bytes:
    """Return a JSON document without NULs in its texts; raw ones, which JSON does not allow, are removed too."""
    if b"\0" in body:
        body = body.replace(b"\0", b"")
    return _ESCAPED.sub(rb"\1", body) if b"\\u0000" in body else body


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
