"""Short-lived handles that Slack sends with each interaction: trigger ids and response URLs."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.slack.validation import SlackError

RESPONSE_SECONDS = 30 * 60.0
RESPONSE_USES = 5


@dataclass
class ResponseUrl:
    """The target of a response_url: a user in a channel, and the message with the element."""

    user: str
    channel: str
    made_at: float
    post_ts: str | None = None
    uses: int = 0


class InteractionHandles:
    """All handles of a workspace; a trigger id opens a modal for `trigger_seconds`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, trigger_seconds: float = 3.0) -> None:
        self._clock = clock
        self.trigger_seconds = trigger_seconds
        self._triggers: dict[str, tuple[str, float]] = {}
        self._used: set[str] = set()
        self._responses: dict[str, ResponseUrl] = {}

    def create_trigger(self, user_id: str) -> str:
        """Return a trigger id, which opens one modal for this user."""
        trigger = f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**9)}.{secrets.token_hex(16)}"
        self._triggers[trigger] = (user_id, self._clock())
        return trigger

    def use_trigger(self, trigger: str) -> str:
        """Return the user of a trigger id. Raises SlackError."""
        if trigger in self._used:
            raise SlackError("exchanged_trigger_id")
        if trigger not in self._triggers:
            raise SlackError("invalid_trigger_id")
        user_id, made_at = self._triggers[trigger]
        if self._clock() - made_at > self.trigger_seconds:
            raise SlackError("expired_trigger_id")
        self._used.add(trigger)
        return user_id

    def create_response_url(self, user_id: str, channel: str, post_ts: str | None = None) -> str:
        """Return the last part of a new response URL."""
        name = secrets.token_hex(16)
        self._responses[name] = ResponseUrl(user_id, channel, self._clock(), post_ts)
        return name

    def has_trigger(self, trigger: str) -> bool:
        """Return whether a trigger id belongs to this workspace."""
        return trigger in self._triggers

    def has_response_url(self, name: str) -> bool:
        """Return whether a response URL belongs to this workspace."""
        return name in self._responses

    def expire_all(self) -> None:
        """Expire all handles, since the app was uninstalled."""
        for trigger, (user_id, _) in self._triggers.items():
            self._triggers[trigger] = (user_id, float("-inf"))
        for handle in self._responses.values():
            handle.uses = RESPONSE_USES

    def use_response_url(self, name: str) -> ResponseUrl:
        """Return the target of a response URL. Raises SlackError if it is used up or expired."""
        handle = self._responses.get(name)
        if handle is None:
            raise SlackError("no_such_response_url")
        if handle.uses >= RESPONSE_USES or self._clock() - handle.made_at > RESPONSE_SECONDS:
            raise SlackError("expired_url")
        handle.uses += 1
        return handle
