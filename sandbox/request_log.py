"""What went between the app and the services: every request in both directions, with its answer and what was wrong."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

REMEMBERED = 500


@dataclass
class LoggedRequest:
    """One request and its answer. `between` says which way it went; `broken` holds each rule that it broke."""

    id: int
    at: float
    between: str
    what: str
    request: Any
    answer: Any = None
    status: int | None = None
    seconds: float | None = None
    broken: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """For the page."""
        return asdict(self)


class RequestLog:
    """The newest entries, and all rules that were broken since the beginning."""

    def __init__(self) -> None:
        self.entries: deque[LoggedRequest] = deque(maxlen=REMEMBERED)
        self.violations: list[str] = []
        self.changed: Callable[[], None] = lambda: None
        self._ids = itertools.count(1)

    def open_entry(self, between: str, what: str, request: Any) -> LoggedRequest:
        """A request has come; `close` adds its answer."""
        entry = LoggedRequest(next(self._ids), time.time(), between, what, request)
        self.entries.append(entry)
        return entry

    def close_entry(
        self, entry: LoggedRequest, answer: Any, *, status: int | None = None, broken: list[str] | None = None
    ) -> None:
        """The answer went out; `broken` names the rules that request or answer broke."""
        entry.answer, entry.status = answer, status
        entry.seconds = time.time() - entry.at
        entry.broken = broken or []
        self.violations += [f"{entry.what}: {rule}" for rule in entry.broken]
        self.changed()
