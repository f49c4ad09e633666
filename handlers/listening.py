"""Around every handler: once each, counted, bounded, and finished before the bot stops."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from slack_bolt.response import BoltResponse

from bot.metrics import Metrics
from handlers.caller import workspace_of

log = structlog.get_logger()

REMEMBERED = 10_000
AT_ONCE = 100


class Listening:
    """Knows what was asked already and what is still being answered."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._idle = asyncio.Event()
        self._idle.set()
        self.under_way = 0

    async def once(
        self, body: dict[str, Any], next_: Callable[[], Awaitable[BoltResponse]]
    ) -> BoltResponse | None:
        """Bolt middleware: acknowledge, and leave out, what Slack has delivered before.

        Events come again at once, after one and after five minutes where Slack saw no acknowledgement; a command
        or click that comes twice carries the same trigger_id (Slack's rules, "Answering").
        """
        key = _key(body)
        if key is not None:
            if key in self._seen:
                log.info("slack.repeated", kind=str(body.get("type") or "command"))
                return BoltResponse(status=200, body="")
            self._seen[key] = None
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        await next_()
        return None

    @asynccontextmanager
    async def answering(self, name: str) -> AsyncIterator[None]:
        """Hold the bot from stopping, and count how long the answer takes and whether it came."""
        began = time.perf_counter()
        outcome = "failed"
        self.under_way += 1
        self._idle.clear()
        try:
            async with self._places:
                yield
            outcome = "answered"
        finally:
            self.under_way -= 1
            if self.under_way == 0:
                self._idle.set()
            self._metrics.answered(name, outcome, time.perf_counter() - began)

    async def drain(self) -> None:
        """Wait until everything that was acknowledged has been answered."""
        await self._idle.wait()


def _key(body: dict[str, Any]) -> str | None:
    """What a delivery and its repetition have in common, and nothing else has; None where it can't be told."""
    if body.get("event_id"):
        return f"{workspace_of(body)} {body['event_id']}"
    if not body.get("trigger_id"):
        return None
    # With what was asked: the trigger alone is meant for opening modals, not for telling requests apart.
    what = [body.get(name) for name in ("user_id", "command", "text", "type", "actions")]
    what += [(body.get("view") or {}).get(name) for name in ("id", "hash", "state")]
    # Only their fingerprint: what was typed into a form may be a secret, and these are remembered for long.
    return hashlib.sha256(
        f"{workspace_of(body)} {body['trigger_id']} {what}".encode("utf-8", "surrogatepass")
    ).hexdigest()
