"""A dyno that lives: it starts, is up, crashes once or again and again, is restarted, idles. State alone."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

State = Literal["starting", "up", "crashed", "restarting", "idle"]

# How long each part of a simulated dyno's life takes, in its own seconds.
STARTING = timedelta(seconds=10)
RESTARTING = timedelta(seconds=5)
# A dyno that has crashed is started again after a while; one that loops crashes again so long after it has come up.
CRASHED = timedelta(seconds=20)
LOOPING = timedelta(seconds=15)


@dataclass(eq=False)
class Dyno:
    """A running process. `restarts` counts its crashes since somebody last restarted it, `crashed_at` says when."""

    type: str
    place: int
    command: str
    size: str
    started_at: datetime
    id: str
    pace: float = 1.0
    state: State = "starting"
    since: datetime = field(init=False)
    restarts: int = 0
    crashed_at: list[datetime] = field(default_factory=list)
    # Crashes so long after it has come up, until somebody mends it.
    loops: bool = False

    def __post_init__(self) -> None:
        self.since = self.started_at

    @property
    def name(self) -> str:
        """Such as `web.1`."""
        return f"{self.type}.{self.place}"

    def advance(self, now: datetime) -> None:
        """Live until now."""
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
        """Crash; it is started again after a while."""
        self.crashed_at.append(at)
        self._become("crashed", at)

    def restart(self, at: datetime, *, name: str) -> None:
        """Be restarted by somebody: another process, under a new id, takes the place. Nothing is counted any more."""
        self.id, self.started_at, self.restarts = name, at, 0
        self.crashed_at.clear()
        self._become("restarting", at)

    def idle(self, at: datetime) -> None:
        """Fall asleep, until somebody restarts it."""
        self._become("idle", at)

    def _become(self, state: State, at: datetime) -> None:
        self.state, self.since = state, at

    def _ends(self) -> datetime | None:
        """When its state ends by itself; None for never."""
        spans = {"starting": STARTING, "restarting": RESTARTING, "crashed": CRASHED}
        span = spans.get(self.state, LOOPING if self.state == "up" and self.loops else None)
        return None if span is None else self.since + span / self.pace


@dataclass(frozen=True)
class Formation:
    """How many dynos of one process type an app has."""

    type: str
    quantity: int
    command: str
    size: str = "basic"


def new_id(bits: int) -> str:
    """A UUID made of these bits."""
    return str(uuid.UUID(int=bits, version=4))
