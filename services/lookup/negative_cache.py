"""What somebody has just looked for in vain, so that looking again costs nothing for a while."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

KEPT = timedelta(minutes=1)
MOST_KEPT = 100


class NegativeCache:
    """One person's, each remembered for a minute; the oldest is forgotten where there are too many."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, ...], datetime] = OrderedDict()

    def add(self, key: tuple[str, ...], at: datetime) -> None:
        """Remember that this was looked for in vain."""
        self._kept.pop(key, None)
        self._kept[key] = at
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def has(self, key: tuple[str, ...], now: datetime) -> bool:
        """Whether this was looked for in vain a moment ago."""
        at = self._kept.get(key)
        return at is not None and now - at < KEPT
