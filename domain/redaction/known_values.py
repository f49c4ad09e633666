"""Redaction of known values anywhere in a text, complete or a line of them. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterable

from domain.redaction.private_keys import REDACTED

# Shorter values are common words, such as `true`, or a port.
SHORTEST = 8


def redact_values(text: str, values: Iterable[str]) -> str:
    """Redact the values; each line of a value with several lines is redacted too, since the text may be cut."""
    hidden = {part for value in values for part in (value, *value.splitlines()) if len(part) >= SHORTEST}
    for part in sorted(hidden, key=len, reverse=True):
        text = text.replace(part, REDACTED)
    return text
