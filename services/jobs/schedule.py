"""The schedule of a background job: which of its keys are to be run, and when."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from datetime import datetime

# A pause until a certain time is interrupted after this long, because the system clock may have been changed.
MAX_PAUSE_SECONDS = 60.0
MIN_PAUSE_SECONDS = 0.05


class Schedule:
    """The keys to run at once, at times of the clock, and after pauses; the same wake twice is one.

    `now` is the time by the clock; `time` are the seconds of a monotonic timer, by which pauses are measured.
    """

    def __init__(self) -> None:
        self._woken: dict[str, None] = {}
        self._times: list[tuple[datetime, str]] = []
        self._known_times: set[tuple[datetime, str]] = set()
        self._pauses: dict[str, float] = {}

    def wake(self, key: str, at: datetime | None = None) -> None:
        """Run the key at this time, or at once."""
        if at is None:
            self._woken[key] = None
        elif (at, key) not in self._known_times:
            self._known_times.add((at, key))
            heapq.heappush(self._times, (at, key))

    def wake_after(self, key: str, until: float) -> None:
        """Run the key once the timer shows `until`; this replaces an earlier pause of the key."""
        self._pauses[key] = until

    def begin(self, key: str) -> None:
        """Note that a run of the key begins; it covers what it was woken for."""
        self._woken.pop(key, None)
        self._pauses.pop(key, None)

    def due(self, now: datetime, time: float) -> Iterator[str]:
        """Return the keys to run now, in the order in which they were woken."""
        while self._times and self._times[0][0] <= now:
            entry = heapq.heappop(self._times)
            self._known_times.discard(entry)
            self._woken[entry[1]] = None
        for key in [key for key, until in self._pauses.items() if until <= time]:
            # A key that is being run waits for the end of its run, not for its pause.
            del self._pauses[key]
            self._woken[key] = None
        return iter(tuple(self._woken))

    def seconds_left(self, now: datetime, time: float) -> float | None:
        """Return how long to wait until more may be due; None if only a wake makes it so."""
        pauses = [max(until - time, 0.0) for until in self._pauses.values()]
        if self._times:
            pauses.append(seconds_until(self._times[0][0], now) or 0.0)
        return min(pauses, default=None)


def seconds_until(time: datetime | None, now: datetime) -> float | None:
    """Return the pause until a job looks again at something that is due at this time; None if nothing is."""
    if time is None:
        return None
    return min(max((time - now).total_seconds(), MIN_PAUSE_SECONDS), MAX_PAUSE_SECONDS)
