"""Slack's rate limits: by method and, for posting, by channel (docs.slack.dev, "Rate limits")."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

# Calls per minute by tier; Slack allows short bursts of undocumented size.
TIERS = {1: 1, 2: 20, 3: 50, 4: 100}
BURST_OF_POSTS = 5
_METHODS = {
    "api.test": 4,
    "apps.connections.open": 1,
    "auth.revoke": 3,
    "auth.test": 4,
    "bots.info": 3,
    "chat.delete": 3,
    "chat.deleteScheduledMessage": 3,
    "chat.getPermalink": 4,
    "chat.meMessage": 3,
    "chat.postEphemeral": 4,
    "chat.scheduleMessage": 3,
    "chat.scheduledMessages.list": 3,
    "chat.unfurl": 3,
    "chat.update": 3,
    "conversations.archive": 2,
    "conversations.create": 2,
    "conversations.history": 3,
    "conversations.info": 3,
    "conversations.invite": 3,
    "conversations.join": 3,
    "conversations.kick": 3,
    "conversations.leave": 3,
    "conversations.list": 2,
    "conversations.members": 4,
    "conversations.open": 3,
    "conversations.rename": 2,
    "conversations.replies": 3,
    "conversations.setPurpose": 2,
    "conversations.setTopic": 2,
    "conversations.unarchive": 2,
    "emoji.list": 2,
    "files.completeUploadExternal": 4,
    "files.delete": 3,
    "files.getUploadURLExternal": 4,
    "functions.completeError": 3,
    "functions.completeSuccess": 3,
    "oauth.v2.access": 4,
    "pins.add": 2,
    "pins.list": 2,
    "pins.remove": 2,
    "reactions.add": 3,
    "reactions.get": 3,
    "reactions.list": 2,
    "reactions.remove": 2,
    "team.info": 3,
    "usergroups.list": 2,
    "usergroups.users.list": 2,
    "users.conversations": 3,
    "users.getPresence": 3,
    "users.info": 4,
    "users.list": 2,
    "users.lookupByEmail": 3,
    "views.open": 4,
    "views.publish": 4,
    "views.push": 4,
    "views.update": 4,
}
# These two methods share one limit ("chat.unfurl", docs.slack.dev).
_SHARED = {"chat.unfurl": "chat.update"}


@dataclass
class _TokenBucket:
    size: float
    a_second: float
    level: float
    at: float

    def take(self, now: float) -> float:
        """Take one token; returns the seconds to wait if the bucket is empty."""
        self.level = min(self.size, self.level + (now - self.at) * self.a_second)
        self.at = now
        if self.level >= 1:
            self.level -= 1
            return 0
        return (1 - self.level) / self.a_second


class RateLimits:
    """The token buckets of one workspace, or of callers without one.

    `disabled` accepts every call, for tests that make many calls in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.disabled = False
        self._buckets: dict[str, _TokenBucket] = {}

    def retry_after(self, method: str, channel: str | None) -> int:
        """Return Retry-After in whole seconds; 0 if the call is accepted."""
        if self.disabled:
            return 0
        if method == "chat.postMessage":
            return self._take(f"post {channel}", BURST_OF_POSTS, 1.0)
        calls = TIERS[_METHODS.get(method, 3)]
        # Tier 1 is documented as "1+": two connections and a doctor open in the same minute.
        return self._take(_SHARED.get(method, method), max(calls, 10), max(calls, 10) / 60)

    def _take(self, name: str, size: float, a_second: float) -> int:
        now = self._clock()
        bucket = self._buckets.setdefault(name, _TokenBucket(size, a_second, size, now))
        return math.ceil(bucket.take(now))
