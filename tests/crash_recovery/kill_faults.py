"""Faults that kill: SIGKILL to the bot at an exact point of one of its requests."""

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
    """Kill at the next request that matches.

    `before`: it arrives, but nothing is done. `during`: it is done, but the bot does not live to see the answer.
    `after`: so many seconds after the answer has left, which is before or while the bot writes down what it learnt.
    """

    match: str
    when: When
    after_seconds: float = 0.0


@dataclass
class KillFaults(FaultInjector):
    """One service's faults; `pid` says whom to kill."""

    pid: Callable[[], int | None] = lambda: None
    shot: KillPoint | None = None
    shots: list[KillPoint] = field(default_factory=list)

    def take(self, request: str) -> Fault | None:
        """Kill, if this is the request, and go on with the usual faults."""
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
