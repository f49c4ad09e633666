"""The simulated services' time: ours, but it can skip ahead."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """Ours, and what was skipped."""

    def __init__(self) -> None:
        self._skipped = timedelta(0)

    def __call__(self) -> datetime:
        """The simulated time."""
        return datetime.now(UTC) + self._skipped

    def skip(self, span: timedelta) -> None:
        """Let so much time pass at once."""
        self._skipped += span
