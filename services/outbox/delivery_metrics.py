"""What the relay counts."""

from __future__ import annotations

from typing import Protocol


class DeliveryMetrics(Protocol):
    """Somebody who counts."""

    def told(self, notifications: int) -> None:
        """Slack has taken a message that newly carries so many notifications."""

    def doubted(self, outcome: str) -> None:
        """A lost answer was settled: found, missing, or unreadable (then told again rather than never)."""

    def dropped(self, notifications: int) -> None:
        """So many notifications were given up, because their channel can't be told."""
