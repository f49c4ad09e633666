"""The event bus: parts publish what has changed, and others react without knowing each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar


@dataclass(frozen=True)
class BuildsChanged:
    """A poll has found changes, or its provider has failed."""


@dataclass(frozen=True)
class OutboxChanged:
    """A message was queued."""


@dataclass(frozen=True)
class UserActed:
    """A user has changed something that their own Home shows."""

    team: str
    person: str


@dataclass(frozen=True)
class WorkflowStepsChanged:
    """A step of a workflow has begun or has an outcome."""


@dataclass(frozen=True)
class PendingActionsChanged:
    """A pending action was added or has ended."""


@dataclass(frozen=True)
class AccessChanged:
    """An account or a membership has changed, on which subscriptions may depend."""


@dataclass(frozen=True)
class TemporaryFilesChanged:
    """A file was uploaded that is deleted later."""


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
