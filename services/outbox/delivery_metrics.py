"""What the relay counts."""

from __future__ import annotations

from typing import Protocol


class DeliveryMetrics(Protocol):
    """Somebody who counts."""

    def count_delivered(self, notifications: int) -> None:
        """Slack has taken a message that newly carries so many notifications."""

    def count_unknown_outcome(self, outcome: str) -> None:
        """A lost answer was settled: found, missing, or unreadable (then told again rather than never)."""

    def count_dropped(self, notifications: int) -> None:
        """So many notifications were given up, because their channel can't be told."""
