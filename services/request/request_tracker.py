"""Tracking of Slack's requests: each is handled once, counted, limited, and finished before the bot stops."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from domain.fair_limiter import FairLimiter, LimitReached, Quota, Requester
from services.metrics import Metrics
from services.slack.event_payloads import EventPayload
from services.slack.interaction_payloads import Interaction
from services.slack.payloads import CommandPayload, Payload
from storage.database import CommitUnconfirmed, DatabaseUnavailable
from storage.slack_deliveries import SlackDeliveries

log = structlog.get_logger()

_ACKNOWLEDGEMENT: ContextVar[asyncio.Event | None] = ContextVar("acknowledgement", default=None)


@contextmanager
def track_acknowledgement() -> Iterator[None]:
    """Mark the handling of a request until its acknowledgement is sent, or can no longer be sent."""
    event = asyncio.Event()
    token = _ACKNOWLEDGEMENT.set(event)
    try:
        yield
    finally:
        event.set()
        _ACKNOWLEDGEMENT.reset(token)


async def wait_for_acknowledgement() -> None:
    """Wait until the current request is acknowledged; return at once if none is tracked."""
    event = _ACKNOWLEDGEMENT.get()
    if event is not None:
        await event.wait()


# Limits of concurrent replies: one workspace never takes all of them, nor one user all of their workspace's.
ANSWERS = Quota(total=100, workspace=50, person=10, waiting=500, seconds=120)
# A request's signature is valid for five minutes either way (Slack's rules, "Verifying requests").
REPEATED_WITHIN = timedelta(minutes=10)
# The number of deliveries per workspace that are remembered in memory, besides the database.
REMEMBERED = 10_000
# Slack resends events that were not acknowledged, with a new signature each time: at once, after one and after five
# minutes ("The Events API"). The documents do not exclude later ones.
EVENT_REPEATED_WITHIN = timedelta(hours=2)


class Repeated(Exception):
    """This has been done already. Start over to do it again."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass(frozen=True)
class Delivery:
    """A request that Slack has delivered.

    `fingerprint` is a hash of what a delivery and its repetition have in common; None if they can't be recognised.
    """

    requester: Requester
    fingerprint: str | None
    is_event: bool

    @classmethod
    def of(cls, payload: Payload) -> Delivery:
        """Return the delivery of this payload."""
        key = _identity(payload)
        return cls(
            requester=Requester(payload.workspace_id, payload.person),
            # Only a hash: the input of a form may hold a secret, and fingerprints are stored for long.
            fingerprint=hashlib.sha256(key.encode()).hexdigest() if key else None,
            is_event=isinstance(payload, EventPayload),
        )


NO_DELIVERY = Delivery(Requester(), None, is_event=False)
_DELIVERY: ContextVar[Delivery] = ContextVar("delivered", default=NO_DELIVERY)


class RequestTracker:
    """Tracks which requests have been handled and which are in progress."""

    def __init__(self, metrics: Metrics, deliveries: SlackDeliveries, clock: Callable[[], datetime]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._recent = _RecentDeliveries()
        self._idle = asyncio.Event()
        self._idle.set()
        self.deliveries = deliveries
        self.places = FairLimiter(ANSWERS)
        self.under_way = 0

    def is_new(self, payload: Payload) -> bool:
        """Return whether Slack delivers this for the first time, and make it the current delivery of this task.

        Slack resends events at once, after one and after five minutes if it saw no acknowledgement; a command or click
        that comes twice has the same trigger_id (Slack's rules, "Answering"). What another process has started is
        checked only once the request begins, because a database query here would keep Slack waiting.
        """
        delivery = Delivery.of(payload)
        if not self._recent.is_new(delivery, self._clock()):
            log.info("slack.repeated", kind=payload.kind)
            return False
        # Bolt calls the listener later, in a task of its own that sees this.
        _DELIVERY.set(delivery)
        return True

    @asynccontextmanager
    async def answering(self, name: str) -> AsyncIterator[None]:
        """Keep the bot from stopping while the request is handled, and count its outcome and duration."""
        started = time.perf_counter()
        outcome = "failed"
        self.under_way += 1
        self._idle.clear()
        request = _ActiveRequest(self, _DELIVERY.get(), self._clock)
        token = _ACTIVE_REQUEST.set(request)
        try:
            yield
            outcome = "answered"
        except Repeated:
            # Another process answers it, or an earlier one did.
            outcome = ""
        finally:
            _ACTIVE_REQUEST.reset(token)
            request.end()
            self.under_way -= 1
            if self.under_way == 0:
                self._idle.set()
            if outcome:
                self._metrics.record_reply(name, outcome, time.perf_counter() - started)

    async def drain(self) -> None:
        """Wait until all acknowledged requests have been handled."""
        await self._idle.wait()


class _ActiveRequest:
    """A request that is being handled."""

    def __init__(self, tracker: RequestTracker, delivery: Delivery, clock: Callable[[], datetime]) -> None:
        self._tracker = tracker
        self._delivery = delivery
        self._clock = clock
        self._is_stored = False
        self._has_place = False
        self._ended = False

    async def wait_for_place(self) -> None:
        """Wait for a place, once. Raises LimitReached."""
        if self._has_place:
            return
        await self._tracker.places.acquire(self._delivery.requester)
        if self._ended:
            self._tracker.places.release(self._delivery.requester)
            raise LimitReached
        self._has_place = True

    async def store_start_if_shared(self) -> None:
        """Store that the request was started, if its repetition may reach another bot. Raises Repeated."""
        if not self._tracker.deliveries.must_take_reads:
            return
        try:
            await self.store_start()
        except CommitUnconfirmed:
            raise
        except DatabaseUnavailable:
            # It went away just now: what changes nothing is answered nevertheless.
            self._is_stored = False

    async def store_start(self) -> None:
        """Store that the request was started, once. Raises Repeated, WorkspaceGone."""
        delivery = self._delivery
        if delivery.fingerprint is None or self._is_stored:
            return
        self._is_stored = True
        if delivery.is_event:
            # Slack resends events that were not acknowledged. If it was stored first and the process was killed before
            # the acknowledgement, the resent event would be taken for done. Slack resends nothing else.
            await wait_for_acknowledgement()
        now = self._clock()
        until = now + (EVENT_REPEATED_WITHIN if delivery.is_event else REPEATED_WITHIN)
        team = delivery.requester.team
        if not await self._tracker.deliveries.take(team, delivery.fingerprint, now=now, until=until):
            log.warning("slack.repeated", kind="of another process", team=team)
            raise Repeated

    def end(self) -> None:
        """Release the place."""
        self._ended = True
        if self._has_place:
            self._has_place = False
            self._tracker.places.release(self._delivery.requester)


_ACTIVE_REQUEST: ContextVar[_ActiveRequest | None] = ContextVar("answer", default=None)


async def wait_for_place() -> None:
    """Wait until the current request may begin: after its acknowledgement, and before anything is read for it.

    Raises LimitReached, and Repeated if another bot on the same database has begun it.
    """
    if (request := _ACTIVE_REQUEST.get()) is not None:
        await request.wait_for_place()
        await request.store_start_if_shared()


async def start_once() -> None:
    """Wait for a place and store that the request was started, for a request that may change something.

    Raises LimitReached, WorkspaceGone, and Repeated if it was started before, also by an earlier process.
    """
    if (request := _ACTIVE_REQUEST.get()) is not None:
        await request.wait_for_place()
        await request.store_start()


class _RecentDeliveries:
    """Recent deliveries in memory, per workspace, so that a busy one does not evict those of others."""

    def __init__(self) -> None:
        self._by_team: dict[str, OrderedDict[str, datetime]] = {}
        self._dropped_at: datetime | None = None

    def is_new(self, delivery: Delivery, now: datetime) -> bool:
        """Return whether the delivery is new, and remember it."""
        if delivery.fingerprint is None:
            return True
        self._drop_old(now)
        recent = self._by_team.setdefault(delivery.requester.team, OrderedDict())
        if delivery.fingerprint in recent:
            return False
        recent[delivery.fingerprint] = now
        if len(recent) > REMEMBERED:
            recent.popitem(last=False)
        return True

    def _drop_old(self, now: datetime) -> None:
        """Drop old deliveries, at most once a minute."""
        if self._dropped_at is not None and now - self._dropped_at < timedelta(minutes=1):
            return
        self._dropped_at = now
        for team, recent in list(self._by_team.items()):
            while recent and next(iter(recent.values())) <= now - REPEATED_WITHIN:
                recent.popitem(last=False)
            if not recent:
                del self._by_team[team]


def _identity(payload: Payload) -> str | None:
    """Return what only a delivery and its repetitions have in common; None if there is nothing."""
    if isinstance(payload, EventPayload):
        return f"{payload.workspace_id} {payload.event_id}" if payload.event_id else None
    if not isinstance(payload, CommandPayload | Interaction) or not payload.trigger_id:
        return None
    # Include the content: trigger_ids are made for opening modals, not for identifying requests.
    content = payload.model_dump_json(include=_CONTENT, exclude_none=True)
    return f"{payload.workspace_id} {payload.trigger_id} {content}"


_CONTENT: Any = {
    **dict.fromkeys(("user_id", "command", "text", "type", "actions"), True),
    "view": {"id", "hash", "state"},
}
