"""Requests of Slack: each handled once, counted, bounded, and finished before the bot stops."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from domain.fair_limiter import FairLimiter, LimitReached, Quota, Requester
from services.metrics import Metrics
from services.request.context import workspace_id
from services.slack.acknowledgement import wait_for_acknowledgement
from storage.slack_deliveries import SlackDeliveries

log = structlog.get_logger()

# Answers that are under way at a time: one workspace never has all of them, nor one person all of a workspace's.
ANSWERS = Quota(total=100, workspace=50, person=10, waiting=500, seconds=120)
# A request's signature is good for five minutes either way (Slack's rules, "Verifying requests").
REPEATED_WITHIN = timedelta(minutes=10)
# So many of each workspace are also remembered without asking the database.
REMEMBERED = 10_000
# Events that were not acknowledged come again, each time signed anew: at once, after one and after five minutes
# ("The Events API"). Nobody says that they can't come later.
EVENT_REPEATED_WITHIN = timedelta(hours=2)


class Repeated(Exception):
    """I have done this already. Begin anew to do it once more."""

    def __init__(self) -> None:
        super().__init__(self.__doc__)


@dataclass(frozen=True)
class Delivery:
    """What Slack has delivered.

    `fingerprint` is of what it and its repetition have in common; None where there is no such thing.
    """

    requester: Requester
    fingerprint: str | None
    is_event: bool

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Delivery:
        """The delivery of this payload."""
        key = _key(body)
        return cls(
            requester=Requester(workspace_id(body), _person_in(body)),
            # Only a fingerprint: what was typed into a form may be a secret, and these are kept for long.
            fingerprint=hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest() if key else None,
            is_event=bool(body.get("event_id")),
        )


NO_DELIVERY = Delivery(Requester(), None, is_event=False)
_DELIVERED: ContextVar[Delivery] = ContextVar("delivered", default=NO_DELIVERY)


class RequestTracker:
    """Knows what was asked already and what is still being answered."""

    def __init__(self, metrics: Metrics, deliveries: SlackDeliveries, clock: Callable[[], datetime]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._seen = _Seen()
        self._idle = asyncio.Event()
        self._idle.set()
        self.deliveries = deliveries
        self.places = FairLimiter(ANSWERS)
        self.under_way = 0

    def is_new(self, body: Mapping[str, Any]) -> bool:
        """Return whether Slack delivers this for the first time; what is done for it then belongs to this delivery.

        Events come again at once, after one and after five minutes where Slack saw no acknowledgement; a command
        or click that comes twice carries the same trigger_id (Slack's rules, "Answering"). What an earlier process has
        taken up is known only once it is about to be done (`take_up`): to ask the database would keep Slack waiting.
        """
        delivery = Delivery.of(body)
        if not self._seen.is_new(delivery, self._clock()):
            log.info("slack.repeated", kind=str(body.get("type") or "command"))
            return False
        # Bolt calls the listener later, in a task of its own that sees this.
        _DELIVERED.set(delivery)
        return True

    @asynccontextmanager
    async def answering(self, name: str) -> AsyncIterator[None]:
        """Hold the bot from stopping, and count how long the answer takes and whether it came."""
        began = time.perf_counter()
        outcome = "failed"
        self.under_way += 1
        self._idle.clear()
        answer = _Answer(self, _DELIVERED.get(), self._clock)
        token = _ANSWER.set(answer)
        try:
            yield
            outcome = "answered"
        finally:
            _ANSWER.reset(token)
            answer.end()
            self.under_way -= 1
            if self.under_way == 0:
                self._idle.set()
            self._metrics.record_reply(name, outcome, time.perf_counter() - began)

    async def drain(self) -> None:
        """Wait until everything that was acknowledged has been answered."""
        await self._idle.wait()


class _Answer:
    """One answer, from its beginning to its end."""

    def __init__(self, listening: RequestTracker, delivery: Delivery, clock: Callable[[], datetime]) -> None:
        self._listening = listening
        self._delivery = delivery
        self._clock = clock
        self._noted = False
        self._has_place = False
        self._ended = False

    async def wait_for_place(self) -> None:
        """Wait for a place, once. Raises LimitReached."""
        if self._has_place:
            return
        await self._listening.places.acquire(self._delivery.requester)
        if self._ended:
            self._listening.places.release(self._delivery.requester)
            raise LimitReached
        self._has_place = True

    async def note(self) -> None:
        """Write down that it is taken up, once. Raises Repeated, WorkspaceGone."""
        delivery = self._delivery
        if delivery.fingerprint is None or self._noted:
            return
        self._noted = True
        if delivery.is_event:
            # Slack sends an event again that it takes for lost. Noted before that, and the process killed between the
            # two, it would be taken for done. Nothing else is sent again.
            await wait_for_acknowledgement()
        now = self._clock()
        until = now + (EVENT_REPEATED_WITHIN if delivery.is_event else REPEATED_WITHIN)
        team = delivery.requester.team
        if not await self._listening.deliveries.take(team, delivery.fingerprint, now=now, until=until):
            log.warning("slack.repeated", kind="of an earlier process", team=team)
            raise Repeated

    def end(self) -> None:
        """Give the place back."""
        self._ended = True
        if self._has_place:
            self._has_place = False
            self._listening.places.release(self._delivery.requester)


_ANSWER: ContextVar[_Answer | None] = ContextVar("answer", default=None)


async def wait_for_place() -> None:
    """Wait until what is asked for here may begin: after its acknowledgement, and before anything is read for it.

    Raises LimitReached.
    """
    if (answer := _ANSWER.get()) is not None:
        await answer.wait_for_place()


async def start_once() -> None:
    """The same, and write down that it is begun: for whatever may change something.

    Raises LimitReached, WorkspaceGone, and Repeated where it was begun before, by an earlier process too.
    """
    if (answer := _ANSWER.get()) is not None:
        await answer.wait_for_place()
        await answer.note()


class _Seen:
    """What was delivered lately, in memory: of each workspace by itself, so that busy ones push nobody's out."""

    def __init__(self) -> None:
        self._of_team: dict[str, OrderedDict[str, datetime]] = {}
        self._tidied_at: datetime | None = None

    def is_new(self, delivery: Delivery, now: datetime) -> bool:
        """Whether it was not delivered yet; from now on it was."""
        if delivery.fingerprint is None:
            return True
        self._tidy(now)
        seen = self._of_team.setdefault(delivery.requester.team, OrderedDict())
        if delivery.fingerprint in seen:
            return False
        seen[delivery.fingerprint] = now
        if len(seen) > REMEMBERED:
            seen.popitem(last=False)
        return True

    def _tidy(self, now: datetime) -> None:
        """Forget what is old, now and then."""
        if self._tidied_at is not None and now - self._tidied_at < timedelta(minutes=1):
            return
        self._tidied_at = now
        for team, seen in list(self._of_team.items()):
            while seen and next(iter(seen.values())) <= now - REPEATED_WITHIN:
                seen.popitem(last=False)
            if not seen:
                del self._of_team[team]


def _key(body: Mapping[str, Any]) -> str | None:
    """What a delivery and its repetition have in common, and nothing else has; None where it can't be told."""
    if body.get("event_id"):
        return f"{workspace_id(body)} {body['event_id']}"
    if not body.get("trigger_id"):
        return None
    # With what was asked: the trigger alone is meant for opening modals, not for telling requests apart.
    what = [body.get(name) for name in ("user_id", "command", "text", "type", "actions")]
    what += [(body.get("view") or {}).get(name) for name in ("id", "hash", "state")]
    return f"{workspace_id(body)} {body['trigger_id']} {what}"


def _person_in(body: Mapping[str, Any]) -> str:
    """Whose share it counts in: whoever Slack says has done it; nobody's where it names none."""
    event = body.get("event")
    for named in (
        body.get("user"),
        body.get("user_id"),
        event.get("user") if isinstance(event, Mapping) else None,
    ):
        person = named.get("id") if isinstance(named, Mapping) else named
        if isinstance(person, str) and person:
            return person
    return ""
