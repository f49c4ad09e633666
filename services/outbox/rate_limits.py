"""The dispatcher's limits per channel, and its waiting times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class RateLimits:
    """Limits; notifications above `backlog`, or older than `backlog_age`, are sent as one message.

    `flood`: messages an hour. `settling`: seconds in which a message may still appear after its response was lost.
    `rolling`: seconds between two edits of a message that grows. `progress`: seconds between two edits that show
    progress; with the time of the edit itself, people see one every thirty.
    """

    backlog: int = 10
    backlog_age: timedelta = timedelta(hours=1)
    flood: int = 60
    settling: float = 5.0
    rolling: float = 5.0
    progress: float = 25.0
