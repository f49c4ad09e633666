"""The simulated services' time: ours, but it can skip ahead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def _system_time() -> datetime:
    return datetime.now(UTC)


class Clock:
    """Ours, or that of the clock given, and what was skipped."""

    def __init__(self, goes_by: Callable[[], datetime] = _system_time) -> None:
        self._goes_by = goes_by
        self._skipped = timedelta(0)

    def __call__(self) -> datetime:
        """The simulated time."""
        return self._goes_by() + self._skipped

    def skip(self, span: timedelta) -> None:
        """Let so much time pass at once."""
        self._skipped += span
