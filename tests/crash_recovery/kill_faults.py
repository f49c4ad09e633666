"""Faults that kill the bot with SIGKILL at an exact point of a request."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from sandbox.faults import Fault, FaultInjector

When = Literal["before", "during", "after"]


@dataclass(frozen=True)
class KillPoint:
    """Kill at the next matching request.

    `before`: it arrives but is not processed. `during`: it is processed, but the bot dies before the response. `after`:
    this many seconds after the response, before or while the bot stores the result.
    """

    match: str
    when: When
    after_seconds: float = 0.0


@dataclass
class KillFaults(FaultInjector):
    """The faults of one service; `pid` returns the process to kill."""

    pid: Callable[[], int | None] = lambda: None
    shot: KillPoint | None = None
    shots: list[KillPoint] = field(default_factory=list)

    def take(self, request: str) -> Fault | None:
        """Kill at the chosen request, then apply other faults."""
        shot = self.shot
        if shot is None or not fnmatchcase(request, shot.match):
            return super().take(request)
        self.shot = None
        self.shots.append(shot)
        if shot.when == "after":
            asyncio.get_running_loop().call_later(shot.after_seconds, self._kill)
            return super().take(request)
        self._kill()
        return Fault("*", "dropped") if shot.when == "before" else None

    def _kill(self) -> None:
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
