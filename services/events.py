"""The event bus: what has changed, for what this process shows: the Homes that are open.

Nothing depends on an event. Work that must be done is woken in the transaction that makes it necessary, and another
process may do it (`services/jobs/engine.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar


@dataclass(frozen=True)
class BuildsChanged:
    """A poll has found changes, or its provider has failed."""


@dataclass(frozen=True)
class UserActed:
    """A user has changed something that their own Home shows."""

    team: str
    person: str


EventT = TypeVar("EventT")


class EventBus:
    """Calls the subscribers of an event's class when it is published, at once and in the order of subscription."""

    def __init__(self) -> None:
        self._subscribers: defaultdict[type, list[Callable[..., None]]] = defaultdict(list)

    def subscribe(self, kind: type[EventT], subscriber: Callable[[EventT], None]) -> None:
        """Call the subscriber with each event of this class; it must not block."""
        self._subscribers[kind].append(subscriber)

    def publish(self, event: object) -> None:
        """Pass the event to all subscribers of its class."""
        for subscriber in self._subscribers[type(event)]:
            subscriber(event)
