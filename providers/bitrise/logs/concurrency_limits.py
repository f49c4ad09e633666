"""Limits on how many logs are processed at once: for one user, in one workspace, and in total.

A log needs a connection, disk space and up to minutes of a worker's time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from domain.commands.errors import UserError


class TooManyLogs(UserError):
    """The limit is reached; the message says which, and when to try again."""


@dataclass(frozen=True)
class LogLimit:
    """A limit on one kind of work; `activity` names it for the middle of a sentence."""

    activity: str
    per_person: int
    per_workspace: int
    total: int
    _reservations: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def reserve(self, team: str, person: str) -> Iterator[None]:
        """Reserve a place for one log while it is processed. Raises TooManyLogs."""
        of_person = sum(1 for reservation in self._reservations if reservation == (team, person))
        in_workspace = sum(1 for workspace, _ in self._reservations if workspace == team)
        if of_person >= self.per_person:
            logs = "a log" if self.per_person == 1 else f"{self.per_person} logs"
            raise TooManyLogs(f"I'm still {self.activity} {logs} for you. Try again when I'm done.")
        if in_workspace >= self.per_workspace:
            raise TooManyLogs(
                f"I'm {self.activity} {in_workspace} logs for people of this workspace already. Try again in a minute."
            )
        if len(self._reservations) >= self.total:
            raise TooManyLogs(f"I'm {self.activity} as many logs as I can at once. Try again in a minute.")
        reservation = (team, person)
        self._reservations.append(reservation)
        try:
            yield
        finally:
            self._reservations.remove(reservation)


def log_file_limit() -> LogLimit:
    """Return the limit on whole logs that are sent as files, of up to 256 MiB each."""
    return LogLimit("preparing", per_person=1, per_workspace=4, total=8)


def log_read_limit() -> LogLimit:
    """Return the limit on logs that are read for their steps, their end or a search."""
    return LogLimit("reading", per_person=3, per_workspace=8, total=24)
