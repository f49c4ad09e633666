"""Fault injection: each fault applies to a number of matching requests."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from aiohttp import web

Kind = Literal["status", "error", "ratelimited", "slow", "held", "dropped", "answer_lost", "html"]


@dataclass(eq=False)
class Fault:
    """A fault of the next `times` requests that match.

    `status`: respond with this HTTP status. `error`: refuse with this error name or message. `ratelimited`: a 429 with
    Retry-After `seconds`. `slow`: respond `seconds` later. `held`: wait until `released` is set or all faults are
    cleared. `dropped`: break the connection before the request is processed. `answer_lost`: process it, then break the
    connection instead of responding. `html`: a 500 page that is not JSON.
    """

    match: str
    kind: Kind
    times: int = 1
    status: int = 500
    words: str = "internal_error"
    seconds: float = 1.0
    released: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class FaultInjector:
    """The active faults."""

    active: list[Fault] = field(default_factory=list)
    held: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Activate a fault."""
        self.active.append(fault)

    def clear(self) -> None:
        """Deactivate all faults."""
        for fault in self.held:
            fault.released.set()
        self.held.clear()
        self.active.clear()

    def take(self, request: str, *, client_port: int = 0) -> Fault | None:  # noqa: ARG002 - for subclasses
        """Return the fault for a request and count it; None without one.

        `request` is a method or path name. `client_port` is the port from which it was sent, for those who want to know
        which process has sent it.
        """
        for fault in self.active:
            if fnmatchcase(request, fault.match):
                fault.times -= 1
                if fault.kind == "held" and fault not in self.held:
                    self.held.append(fault)
                if fault.times <= 0:
                    self.active.remove(fault)
                return fault
        return None


def client_port(request: web.Request) -> int:
    """Return the port that the request comes from; 0 if its connection has ended already."""
    name = request.transport.get_extra_info("peername") if request.transport is not None else None
    return int(name[1]) if name else 0


def parse_fault(parameters: Mapping[str, Any]) -> Fault:
    """Return the fault of a control command. Raises KeyError."""
    options = {
        name: parameters[name] for name in ("times", "status", "words", "seconds") if name in parameters
    }
    return Fault(parameters["match"], parameters["kind"], **options)
