"""Log of all requests between the app and the services, in both directions, with responses and violations."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

MAX_ENTRIES = 500


@dataclass
class LoggedRequest:
    """A request and its response. `direction` says which way it went; `violations` lists the rules that it broke."""

    id: int
    at: float
    direction: str
    title: str
    request: Any
    response: Any = None
    status: int | None = None
    seconds: float | None = None
    violations: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the entry for the page."""
        return asdict(self)


class RequestLog:
    """The newest entries, and all violations so far."""

    def __init__(self) -> None:
        self.entries: deque[LoggedRequest] = deque(maxlen=MAX_ENTRIES)
        self.violations: list[str] = []
        self.on_change: Callable[[], None] = lambda: None
        self._ids = itertools.count(1)

    def open_entry(self, direction: str, title: str, request: Any) -> LoggedRequest:
        """Log a request; `close_entry` adds its response."""
        entry = LoggedRequest(next(self._ids), time.time(), direction, title, request)
        self.entries.append(entry)
        return entry

    def close_entry(
        self,
        entry: LoggedRequest,
        response: Any,
        *,
        status: int | None = None,
        violations: list[str] | None = None,
    ) -> None:
        """Log the response; `violations` lists the rules that the request or response broke."""
        entry.response, entry.status = response, status
        entry.seconds = time.time() - entry.at
        entry.violations = violations or []
        self.violations += [f"{entry.title}: {rule}" for rule in entry.violations]
        self.on_change()
