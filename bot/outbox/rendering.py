"""From what is owed to the message that tells it. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.messages import Message, build_card, digest
from storage import Notification


def render(notifications: Sequence[Notification], *, now: datetime) -> Message:
    """One notification as the build's card, several as a digest."""
    if len(notifications) == 1:
        [one] = notifications
        return build_card(one.build, one.app, now=now)
    return digest([(one.build, one.app) for one in notifications])
