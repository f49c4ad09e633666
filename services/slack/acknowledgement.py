"""Whether what Slack has delivered was acknowledged, for whoever must not go on before that."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_CURRENT: ContextVar[asyncio.Event | None] = ContextVar("acknowledgement", default=None)


@contextmanager
def track_acknowledgement() -> Iterator[None]:
    """Around the answer to a delivery, until its acknowledgement is on its way, or can't be any more."""
    event = asyncio.Event()
    token = _CURRENT.set(event)
    try:
        yield
    finally:
        event.set()
        _CURRENT.reset(token)


async def wait_for_acknowledgement() -> None:
    """Wait until what is being handled here was acknowledged; at once where nobody minds that."""
    event = _CURRENT.get()
    if event is not None:
        await event.wait()
