"""How much Slack takes: by method and, for posting, by channel (docs.slack.dev, "Rate limits")."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

# Calls a minute by tier; Slack lets short bursts pass and keeps their size to itself.
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
# These two take from one allowance ("chat.unfurl", docs.slack.dev).
_SHARED = {"chat.unfurl": "chat.update"}


@dataclass
class _TokenBucket:
    size: float
    a_second: float
    level: float
    at: float

    def take(self, now: float) -> float:
        """Take one; returns the seconds to wait where there is none left."""
        self.level = min(self.size, self.level + (now - self.at) * self.a_second)
        self.at = now
        if self.level >= 1:
            self.level -= 1
            return 0
        return (1 - self.level) / self.a_second


class RateLimits:
    """Every bucket of one workspace, or of the callers without any.

    `lifted` takes every call, for a test that makes a day's calls in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.lifted = False
        self._buckets: dict[str, _TokenBucket] = {}

    def wait(self, method: str, channel: str | None) -> int:
        """The whole seconds of Retry-After; 0 where the call is taken."""
        if self.lifted:
            return 0
        if method == "chat.postMessage":
            return self._take(f"post {channel}", BURST_OF_POSTS, 1.0)
        calls = TIERS[_METHODS.get(method, 3)]
        # Two connections and a doctor are opened in the same minute: Slack's tier 1 is "1+", not one.
        return self._take(_SHARED.get(method, method), max(calls, 10), max(calls, 10) / 60)

    def _take(self, name: str, size: float, a_second: float) -> int:
        now = self._clock()
        bucket = self._buckets.setdefault(name, _TokenBucket(size, a_second, size, now))
        return math.ceil(bucket.take(now))
