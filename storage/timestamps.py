"""Times in the database: ISO 8601 in UTC with microseconds, so that they sort as text."""

from __future__ import annotations

from datetime import UTC, datetime


def to_text(time: datetime | None) -> str | None:
    """Format a time; None stays None."""
    return None if time is None else time.astimezone(UTC).isoformat(timespec="microseconds")


def from_text(text: str | None) -> datetime | None:
    """Parse a time that `to_text` wrote; None stays None."""
    return None if text is None else datetime.fromisoformat(text)
