"""Time of the simulators: the real time, plus what was skipped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stand still but for what is skipped, and go on from there at the end."""
        goes_by, stopped_at = self._goes_by, self._goes_by()
        self._goes_by = lambda: stopped_at
        try:
            yield
        finally:
            self._goes_by = goes_by
            self._skipped -= goes_by() - stopped_at
