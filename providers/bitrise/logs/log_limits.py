"""Limits on how many logs are processed at once: for one person, in one workspace, and in total.

A log takes a connection, disk space and up to minutes of a worker's time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from services.request.finder import UserError


class TooManyLogs(UserError):
    """No further log is begun now; the message says why, and when to try again."""


@dataclass(frozen=True)
class LogLimit:
    """A limit of one kind of work; `doing` says what, in the middle of a sentence."""

    activity: str
    per_person: int
    per_workspace: int
    total: int
    _under_way: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def reserve(self, team: str, person: str) -> Iterator[None]:
        """Reserve a place for one log while it is processed. Raises TooManyLogs."""
        theirs = sum(1 for one in self._under_way if one == (team, person))
        in_workspace = sum(1 for workspace, _ in self._under_way if workspace == team)
        if theirs >= self.per_person:
            those = "a log" if self.per_person == 1 else f"{self.per_person} logs"
            raise TooManyLogs(f"I'm still {self.activity} {those} for you. Try again when I'm done.")
        if in_workspace >= self.per_workspace:
            raise TooManyLogs(
                f"I'm {self.activity} {in_workspace} logs for people of this workspace already. Try again in a minute."
            )
        if len(self._under_way) >= self.total:
            raise TooManyLogs(f"I'm {self.activity} as many logs as I can at once. Try again in a minute.")
        place = (team, person)
        self._under_way.append(place)
        try:
            yield
        finally:
            self._under_way.remove(place)


def log_file_limit() -> LogLimit:
    """Return the limit of whole logs that are sent as files, of up to 256 MiB each."""
    return LogLimit("preparing", per_person=1, per_workspace=4, total=8)


def log_read_limit() -> LogLimit:
    """Return the limit of logs that are read for their steps, their end or a word."""
    return LogLimit("reading", per_person=3, per_workspace=8, total=24)
