"""A cache of failed lookups, so that repeating one costs no request for a while."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

KEPT = timedelta(minutes=1)
MOST_KEPT = 100


class NegativeCache:
    """One person's failed lookups, each kept for a minute; the oldest is dropped if there are too many."""

    def __init__(self) -> None:
        self._missed: OrderedDict[tuple[str, ...], datetime] = OrderedDict()

    def add(self, key: tuple[str, ...], at: datetime) -> None:
        """Store that this was not found."""
        self._missed.pop(key, None)
        self._missed[key] = at
        while len(self._missed) > MOST_KEPT:
            self._missed.popitem(last=False)

    def has(self, key: tuple[str, ...], now: datetime) -> bool:
        """Return whether this was not found within the last minute."""
        at = self._missed.get(key)
        return at is not None and now - at < KEPT
