"""What a channel can take, and how patient the relay is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class RateLimits:
    """`backlog`: more than this, or older than `backlog_age`, arrives as one message. `flood`: messages an hour.

    `settling`: seconds for which a message may still turn up after its answer was lost. `rolling`: seconds between
    two changes of a message that takes in more and more; `progress`: those between two that show how far something
    has come, which leaves some for the edit itself to be seen every thirty.
    """

    backlog: int = 10
    backlog_age: timedelta = timedelta(hours=1)
    flood: int = 60
    settling: float = 5.0
    rolling: float = 5.0
    progress: float = 25.0
