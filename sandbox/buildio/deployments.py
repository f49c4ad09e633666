"""A deployment that lives: pending, building, releasing, and how it ends. State alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

Status = Literal["pending", "building", "releasing", "succeeded", "failed"]

# How long each part of a simulated deployment takes, in its own seconds.
PENDING = timedelta(seconds=10)
BUILDING = timedelta(seconds=90)
RELEASING = timedelta(seconds=20)
_SPANS: dict[Status, timedelta] = {"pending": PENDING, "building": BUILDING, "releasing": RELEASING}


@dataclass(eq=False)
class Deployment:
    """A deployment of an app. `fails`: it ends so while it is built; `loops`: its dynos crash when it is out.

    `obstacle` is asked when it is released: what is in the way, such as a config var that the code needs.
    """

    id: str
    version: int
    branch: str | None
    commit: str | None
    description: str | None
    by: str
    created_at: datetime
    pace: float = 1.0
    fails: str | None = None
    loops: bool = False
    obstacle: Callable[[], str | None] = field(default=lambda: None, repr=False)
    status: Status = "pending"
    error: str | None = None
    finished_at: datetime | None = None
    since: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.since = self.created_at

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.finished_at is not None

    def hold(self, until: datetime) -> None:
        """Wait: another deployment of the app is under way until then."""
        if self.status == "pending":
            self.since = max(self.since, until)

    def advance(self, now: datetime) -> None:
        """Live until now."""
        while not self.is_over and now >= (ends := self.since + _SPANS[self.status] / self.pace):
            match self.status:
                case "pending":
                    self._become("building", ends)
                case "building" if self.fails:
                    self.finish(ends, error=self.fails)
                case "building":
                    self._become("releasing", ends)
                case _:
                    self.finish(ends, error=self.obstacle())

    def finish(self, at: datetime, *, error: str | None = None) -> None:
        """End now; `error` says why it failed, None that it succeeded."""
        self.error, self.finished_at = error, at
        self._become("failed" if error else "succeeded", at)

    def _become(self, status: Status, at: datetime) -> None:
        self.status, self.since = status, at
