"""A deployment: pending, building, releasing, then succeeded or failed. State only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

Status = Literal["pending", "building", "releasing", "succeeded", "failed"]

# Default durations of a simulated deployment, at speed 1.
PENDING = timedelta(seconds=10)
BUILDING = timedelta(seconds=90)
RELEASING = timedelta(seconds=20)
_SPANS: dict[Status, timedelta] = {"pending": PENDING, "building": BUILDING, "releasing": RELEASING}


@dataclass(eq=False)
class Deployment:
    """A deployment. `fails`: the error of its build; `loops`: its dynos crash after the release.

    `release_error` is called at the release; it returns why the code cannot start, for example a missing config var.
    """

    id: str
    version: int
    branch: str | None
    commit: str | None
    description: str | None
    by: str
    created_at: datetime
    speed: float = 1.0
    fails: str | None = None
    loops: bool = False
    release_error: Callable[[], str | None] = field(default=lambda: None, repr=False)
    status: Status = "pending"
    error: str | None = None
    finished_at: datetime | None = None
    since: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.since = self.created_at

    @property
    def is_over(self) -> bool:
        """Return whether it has finished."""
        return self.finished_at is not None

    def hold(self, until: datetime) -> None:
        """Wait for another deployment of the app until this time."""
        if self.status == "pending":
            self.since = max(self.since, until)

    def advance(self, now: datetime) -> None:
        """Move to the state at this time."""
        while not self.is_over and now >= (ends := self.since + _SPANS[self.status] / self.speed):
            match self.status:
                case "pending":
                    self._become("building", ends)
                case "building" if self.fails:
                    self.finish(ends, error=self.fails)
                case "building":
                    self._become("releasing", ends)
                case _:
                    self.finish(ends, error=self.release_error())

    def finish(self, at: datetime, *, error: str | None = None) -> None:
        """Finish at this time; `error` is None if it succeeded."""
        self.error, self.finished_at = error, at
        self._become("failed" if error else "succeeded", at)

    def _become(self, status: Status, at: datetime) -> None:
        self.status, self.since = status, at
