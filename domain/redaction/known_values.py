"""Values that are known: taken out of a text wherever they stand, whole or a line of them. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterable

from domain.redaction.private_keys import REDACTED

# Shorter ones are words that everybody uses, such as `true` or a port.
SHORTEST = 8


def redact_values(text: str, values: Iterable[str]) -> str:
    """The text without the values; of one with several lines without each of them, since the text may be cut."""
    hidden = {part for value in values for part in (value, *value.splitlines()) if len(part) >= SHORTEST}
    for one in sorted(hidden, key=len, reverse=True):
        text = text.replace(one, REDACTED)
    return text
