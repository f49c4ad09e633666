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

    doing: str
    each: int
    in_workspace: int
    in_all: int
    _under_way: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def place(self, team: str, person: str) -> Iterator[None]:
        """Reserve a place for one log while it is processed. Raises TooManyLogs."""
        theirs = sum(1 for one in self._under_way if one == (team, person))
        in_workspace = sum(1 for workspace, _ in self._under_way if workspace == team)
        if theirs >= self.each:
            those = "a log" if self.each == 1 else f"{self.each} logs"
            raise TooManyLogs(f"I'm still {self.doing} {those} for you. Try again when I'm done.")
        if in_workspace >= self.in_workspace:
            raise TooManyLogs(
                f"I'm {self.doing} {in_workspace} logs for people of this workspace already. Try again in a minute."
            )
        if len(self._under_way) >= self.in_all:
            raise TooManyLogs(f"I'm {self.doing} as many logs as I can at once. Try again in a minute.")
        place = (team, person)
        self._under_way.append(place)
        try:
            yield
        finally:
            self._under_way.remove(place)


def whole_logs() -> LogLimit:
    """Return the limit of whole logs that are sent as files, of up to 256 MiB each."""
    return LogLimit("preparing", each=1, in_workspace=4, in_all=8)


def read_logs() -> LogLimit:
    """Return the limit of logs that are read for their steps, their end or a word."""
    return LogLimit("reading", each=3, in_workspace=8, in_all=24)
