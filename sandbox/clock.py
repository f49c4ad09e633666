"""Time of the simulators: the real time, plus what was skipped."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


def _system_time() -> datetime:
    return datetime.now(UTC)


class Clock:
    """A clock that can skip ahead."""

    def __init__(self, goes_by: Callable[[], datetime] = _system_time) -> None:
        self._goes_by = goes_by
        self._skipped = timedelta(0)

    def __call__(self) -> datetime:
        """Return the simulated time."""
        return self._goes_by() + self._skipped

    def skip(self, span: timedelta) -> None:
        """Skip this much time."""
        self._skipped += span
