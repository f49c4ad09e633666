"""A dyno: starting, up, crashed, restarting or idle. State only."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

State = Literal["starting", "up", "crashed", "restarting", "idle"]

# Default durations of a dyno's states, at speed 1.
STARTING = timedelta(seconds=10)
RESTARTING = timedelta(seconds=5)
# A crashed dyno restarts after CRASHED; a crash-looping one crashes again LOOPING after it came up.
CRASHED = timedelta(seconds=20)
LOOPING = timedelta(seconds=15)


@dataclass(eq=False)
class Dyno:
    """A running process. `restarts` counts its crashes since the last manual restart, `crashed_at` has their times."""

    type: str
    index: int
    command: str
    size: str
    started_at: datetime
    id: str
    speed: float = 1.0
    state: State = "starting"
    since: datetime = field(init=False)
    restarts: int = 0
    crashed_at: list[datetime] = field(default_factory=list)
    # It crashes after each start until the loop is stopped.
    loops: bool = False

    def __post_init__(self) -> None:
        self.since = self.started_at

    @property
    def name(self) -> str:
        """Return the name, for example `web.1`."""
        return f"{self.type}.{self.index}"

    def advance(self, now: datetime) -> None:
        """Move to the state at this time."""
        while (ends := self._ends()) is not None and now >= ends:
            match self.state:
                case "restarting":
                    self._become("starting", ends)
                case "starting":
                    self._become("up", ends)
                case "up":
                    self.crash(ends)
                case _:
                    self.restarts += 1
                    self.started_at = ends
                    self._become("starting", ends)

    def crash(self, at: datetime) -> None:
        """Crash; it restarts by itself after a while."""
        self.crashed_at.append(at)
        self._become("crashed", at)

    def restart(self, at: datetime, *, name: str) -> None:
        """Restart manually: a new process with a new id takes its place, and the counters are reset."""
        self.id, self.started_at, self.restarts = name, at, 0
        self.crashed_at.clear()
        self._become("restarting", at)

    def idle(self, at: datetime) -> None:
        """Go to sleep until the next restart."""
        self._become("idle", at)

    def _become(self, state: State, at: datetime) -> None:
        self.state, self.since = state, at

    def _ends(self) -> datetime | None:
        """Return when the current state ends by itself; None for never."""
        spans = {"starting": STARTING, "restarting": RESTARTING, "crashed": CRASHED}
        span = spans.get(self.state, LOOPING if self.state == "up" and self.loops else None)
        return None if span is None else self.since + span / self.speed


@dataclass(frozen=True)
class Formation:
    """The number of dynos of one process type."""

    type: str
    quantity: int
    command: str
    size: str = "basic"


def new_id(bits: int) -> str:
    """Return a UUID made of these bits."""
    return str(uuid.UUID(int=bits, version=4))
