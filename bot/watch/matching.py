"""Whom a change concerns. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from bot.build import Build, Change
from storage import Owed, Subscription

ENDED = "ended"

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def match(changes: Sequence[Change], subscriptions: Sequence[Subscription]) -> list[Owed]:
    """What the changes make owed: each build that ended, to each subscription that wants it, in order of ending."""
    ended = sorted((change.build for change in changes if change.build.ended), key=_end)
    return [
        Owed(
            subscription_id=subscription.id,
            channel=subscription.channel,
            provider=build.provider,
            build_slug=build.slug,
            event=ENDED,
        )
        for build in ended
        for subscription in subscriptions
        if subscription.app.slug == build.app_slug and subscription.wants(build)
    ]


def _end(build: Build) -> tuple[datetime, int]:
    return build.finished_at or build.triggered_at or _LONG_AGO, build.number or 0
