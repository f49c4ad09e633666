"""The state of one token's polls that all bots on a database share. Pure; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class PollStatus:
    """How the polls with a token go, whichever bot makes them.

    `polled` increases with each poll and with each result that one stores: a bot that finds another number than it left
    knows that another bot has polled since. `revision` increases whenever what is watched changes. `requested` counts
    the requests for a poll at once, `answered` is its value when the last poll began. `failures` are those in a row,
    `reason` is the last one's. `last_read` is the app that was read last where apps take turns. `next_at`, `not_before`
    and `read_at`, when the status was read, are by the database's clock.
    """

    polled: int = 0
    revision: int = 0
    requested: int = 0
    answered: int = 0
    next_at: datetime | None = None
    not_before: datetime | None = None
    failures: int = 0
    reason: str = ""
    last_success: datetime | None = None
    last_read: str = ""
    read_at: datetime | None = None

    @property
    def is_requested(self) -> bool:
        """Whether somebody has requested a poll since the last one began."""
        return self.requested > self.answered

    def seconds_until(self, time: datetime | None) -> float:
        """Return the seconds that were left until this time when the status was read; none without a time."""
        return (time - self.read_at).total_seconds() if time is not None and self.read_at is not None else 0.0
