"""The event bus: what has changed, for what processes keep in memory: the Homes that they show, and their caches.

Nothing depends on an event. Work that must be done is woken in the transaction that makes it necessary, and another
process may do it (`services/jobs/engine.py`).
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import partial
from typing import ClassVar, TypeVar

from storage.database import PERSON, Database, DatabaseUnavailable


@dataclass(frozen=True)
class BuildsChanged:
    """A poll has found changes, or its provider has failed."""

    topic: ClassVar[str] = "builds"


@dataclass(frozen=True)
class UserActed:
    """A user has changed something that their own Home shows."""

    topic: ClassVar[str] = "acted"
    team: str
    person: str


@dataclass(frozen=True)
class HomeClosed:
    """A user has left their Home, or opens it again: whoever has shown it since before then updates it no more."""

    topic: ClassVar[str] = "home"
    team: str
    person: str
    at: float  # seconds since 1970


@dataclass(frozen=True)
class PersonChanged:
    """A user has another account at a provider, or is no longer the same in Slack; without fields, anybody may have."""

    topic: ClassVar[str] = PERSON
    team: str = ""
    person: str = ""


_SHARED = (BuildsChanged, UserActed, HomeClosed, PersonChanged)
# After notices that may have been missed. Of Homes, all are updated, and those that others show go unnoticed.
_AFTER_MISSED = (BuildsChanged(), PersonChanged())

Event = BuildsChanged | UserActed | HomeClosed | PersonChanged
EventT = TypeVar("EventT", bound=Event)


class EventBus:
    """Calls the subscribers of an event's class when it is published, at once and in the order of subscription.

    With a database that other bots use too, those of the other processes are called as well, a moment later.
    """

    def __init__(self) -> None:
        self._subscribers: defaultdict[type, list[Callable[..., None]]] = defaultdict(list)
        self._database: Database | None = None
        self._forwarding: set[asyncio.Task[None]] = set()

    def connect(self, database: Database) -> None:
        """Publish also what the database's other bots publish, and the other way round."""
        self._database = database
        for kind in _SHARED:
            database.listen(kind.topic, partial(self._receive, kind))

    async def close(self) -> None:
        """Publish only in this process from now on, once the others know what was published before."""
        self._database = None
        await asyncio.gather(*self._forwarding, return_exceptions=True)

    def subscribe(self, kind: type[EventT], subscriber: Callable[[EventT], None]) -> None:
        """Call the subscriber with each event of this class; it must not block."""
        self._subscribers[kind].append(subscriber)

    def publish(self, event: Event) -> None:
        """Pass the event to all subscribers of its class."""
        self._call_subscribers(event)
        if self._database is not None and not self._database.session_locks.is_alone:
            task = asyncio.create_task(self._forward(event, self._database), name="forwarding an event")
            self._forwarding.add(task)
            task.add_done_callback(self._forwarding.discard)

    def _call_subscribers(self, event: Event) -> None:
        for subscriber in self._subscribers[type(event)]:
            subscriber(event)

    async def _forward(self, event: Event, database: Database) -> None:
        payload = json.dumps([database.session_locks.worker, *astuple(event)])
        try:
            await database.write(lambda db: db.notify(event.topic, payload))
        except DatabaseUnavailable:
            return  # afterwards, all of them know that they may have missed something

    def _receive(self, kind: type[Event], payload: str | None) -> None:
        if payload is None:
            for event in _AFTER_MISSED:
                if isinstance(event, kind):
                    self._call_subscribers(event)
            return
        origin, *fields = json.loads(payload)
        if self._database is None or origin != self._database.session_locks.worker:
            self._call_subscribers(kind(*fields))
