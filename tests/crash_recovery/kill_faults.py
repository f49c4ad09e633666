"""Faults that strike a bot, mostly with SIGKILL, at an exact point of a request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from sandbox.faults import Fault, FaultInjector

When = Literal["before", "during", "after"]
# Returns what is done to a bot; it gets the port from which the request was sent.
Aim = Callable[[int], Callable[[], None]]


@dataclass(frozen=True)
class KillPoint:
    """Strike at the next matching request.

    `before`: it arrives but is not processed. `during`: it is processed, but the bot dies before the response. `after`:
    this many seconds after the response, before or while the bot stores the result.
    """

    match: str
    when: When
    aim: Aim
    after_seconds: float = 0.0


@dataclass
class KillFaults(FaultInjector):
    """The faults of one service, and the next point at which a bot is struck."""

    shot: KillPoint | None = None
    shots: list[KillPoint] = field(default_factory=list)

    def take(self, request: str, *, client_port: int = 0) -> Fault | None:
        """Strike at the chosen request, then apply other faults."""
        shot = self.shot
        if shot is None or not fnmatchcase(request, shot.match):
            return super().take(request)
        self.shot = None
        self.shots.append(shot)
        strike = shot.aim(client_port)
        if shot.when == "after":
            asyncio.get_running_loop().call_later(shot.after_seconds, strike)
            return super().take(request)
        strike()
        return Fault("*", "dropped") if shot.when == "before" else None
