"""Faults that somebody switches on: each matches some requests, so many times."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

Kind = Literal["status", "error", "ratelimited", "slow", "held", "dropped", "answer_lost", "html"]


@dataclass(eq=False)
class Fault:
    """What goes wrong with the next `times` requests that match.

    `status`: answer this HTTP status. `error`: refuse with this error's name or words. `ratelimited`: a 429 with
    Retry-After `seconds`. `slow`: take `seconds` longer. `held`: take until `let_go` is set, or all is healed.
    `dropped`: break the connection before anything is done. `answer_lost`: do it, and break the connection instead of
    answering. `html`: a 500 page that is no JSON.
    """

    match: str
    kind: Kind
    times: int = 1
    status: int = 500
    words: str = "internal_error"
    seconds: float = 1.0
    let_go: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class FaultInjector:
    """The faults that are switched on."""

    active: list[Fault] = field(default_factory=list)
    holding: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Switch a fault on."""
        self.active.append(fault)

    def clear(self) -> None:
        """Switch everything off."""
        for fault in self.holding:
            fault.let_go.set()
        self.holding.clear()
        self.active.clear()

    def take(self, request: str) -> Fault | None:
        """The fault for this request, used up once; None for none. `request` is a method's or path's name."""
        for fault in self.active:
            if fnmatchcase(request, fault.match):
                fault.times -= 1
                if fault.kind == "held" and fault not in self.holding:
                    self.holding.append(fault)
                if fault.times <= 0:
                    self.active.remove(fault)
                return fault
        return None


def parse_fault(given: Mapping[str, Any]) -> Fault:
    """A fault as a script orders it. Raises KeyError."""
    more = {name: given[name] for name in ("times", "status", "words", "seconds") if name in given}
    return Fault(given["match"], given["kind"], **more)
