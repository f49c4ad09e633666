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
    `reason` is the last one's. `last_read` is the app that was read last where apps take turns.
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

    @property
    def is_requested(self) -> bool:
        """Whether somebody has requested a poll since the last one began."""
        return self.requested > self.answered
