"""The interface of the delivery counters."""

from __future__ import annotations

from typing import Protocol


class DeliveryMetrics(Protocol):
    """Counts deliveries."""

    def count_delivered(self, notifications: int) -> None:
        """Count notifications that Slack has just accepted in a message."""

    def count_unknown_outcome(self, outcome: str) -> None:
        """Count a settled lost response: found, missing, or unreadable (sent again: twice is better than never)."""

    def count_dropped(self, notifications: int) -> None:
        """Count notifications that were dropped because Slack does not accept them or their channel is closed."""
