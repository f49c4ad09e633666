"""The time at a provider: its clock and ours need not agree."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

# A Date header has whole seconds and travels: clocks that are closer than this are taken for the same.
SAME = timedelta(seconds=5)
# Further apart than this no clock is; such a header says nothing.
FURTHEST = timedelta(days=30)


class ProviderClock:
    """Our clock, set by the provider's: every answer says what time it is there (RFC 9110, 6.6.1, "Date").

    How long a build has run or a process is down is told by comparing the provider's times with the provider's clock.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        """Return the time at the provider."""
        return self._clock() + self._ahead

    def observe(self, date: str | None) -> None:
        """Take note of an answer's Date header; one that is missing or can't be read changes nothing."""
        try:
            at = parsedate_to_datetime(date or "")
            ahead = at - self._clock()
        except (ValueError, TypeError, OverflowError):
            return
        if abs(ahead) <= FURTHEST:
            self._ahead = ahead if abs(ahead) > SAME else timedelta(0)
