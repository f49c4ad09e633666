"""NUL characters taken out of what comes from outside: no text needs one, and some databases refuse them.

PostgreSQL stores no text with a NUL (PostgreSQL, "Character Types"), and C programs end a text at it.
"""

from __future__ import annotations

import re
from typing import Any

# JSON writes a NUL as \u0000; where the backslash itself is escaped it is six ordinary characters (RFC 8259, 7).
_ESCAPED = re.compile(rb"(?<!\\)((?:\\\\)*)(?:\\u0000)+")


def json_without_nul(body: bytes) -> bytes:
    """Return a JSON document without the NULs in its texts; raw ones, which JSON does not allow, go too."""
    if b"\0" in body:
        body = body.replace(b"\0", b"")
    return _ESCAPED.sub(rb"\1", body) if b"\\u0000" in body else body


def remove_nul(value: Any) -> Any:
    """Return what JSON gave, with no NUL in any text; the same object, changed, where it is a list or dictionary."""
    holder = [value]
    left: list[Any] = [holder]
    while left:
        one = left.pop()
        if isinstance(one, dict):
            for key in [key for key in one if isinstance(key, str) and "\0" in key]:
                one[key.replace("\0", "")] = one.pop(key)
            places: Any = one.items()
        else:
            places = enumerate(one)
        for place, inner in list(places):
            if isinstance(inner, str) and "\0" in inner:
                one[place] = inner.replace("\0", "")
            elif isinstance(inner, dict | list):
                left.append(inner)
    return holder[0]
