"""The acknowledgement of Slack's current request, for code that must wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_CURRENT: ContextVar[asyncio.Event | None] = ContextVar("acknowledgement", default=None)


@contextmanager
def track_acknowledgement() -> Iterator[None]:
    """Mark the handling of a request until its acknowledgement is sent, or can no longer be sent."""
    event = asyncio.Event()
    token = _CURRENT.set(event)
    try:
        yield
    finally:
        event.set()
        _CURRENT.reset(token)


async def wait_for_acknowledgement() -> None:
    """Wait until the current request is acknowledged; return at once if none is tracked."""
    event = _CURRENT.get()
    if event is not None:
        await event.wait()
