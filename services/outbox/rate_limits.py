"""Limits of the messages that are sent, and the dispatcher's waiting times.

Edits also take turns per workspace: `edit_pace`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from aiolimiter import AsyncLimiter

from domain.message import Recipient

# One message a second a channel, short bursts pass (Slack's rules, "Pace").
BURST = 4
# Calls of all channels together.
CALLS_AT_ONCE = 50


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


class MessagePace:
    """Limits the messages of each channel to one a second."""

    def __init__(self) -> None:
        self._limiters: dict[Recipient, AsyncLimiter] = {}

    async def acquire(self, to: Recipient) -> None:
        """Wait until the channel may get another message."""
        await self._limiters.setdefault(to, AsyncLimiter(BURST, BURST)).acquire()

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        self._limiters = {to: limiter for to, limiter in self._limiters.items() if to.team != team}
