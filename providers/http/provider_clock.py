"""The provider's clock, which may differ from ours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

# A Date header has whole seconds and takes time to arrive: clocks closer than this are treated as equal.
SAME = timedelta(seconds=5)
# No real clock differs by more than this; such a header is ignored.
FURTHEST = timedelta(days=30)


class ProviderClock:
    """Our clock, adjusted to the provider's: every response has its time (RFC 9110, 6.6.1, "Date").

    Durations of running builds and of downtime compare the provider's times with the provider's clock.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        """Return the time at the provider."""
        return self._clock() + self._ahead

    def observe(self, date: str | None) -> None:
        """Adjust to a response's Date header; a missing or invalid one changes nothing."""
        try:
            at = parsedate_to_datetime(date or "")
            ahead = at - self._clock()
        except (ValueError, TypeError, OverflowError):
            return
        if abs(ahead) <= FURTHEST:
            self._ahead = ahead if abs(ahead) > SAME else timedelta(0)
