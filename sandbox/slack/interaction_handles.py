"""The short-lived handles that Slack gives with each action: trigger ids and response addresses."""

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
    """Where a response_url leads: back to a person in a channel, and to the message that was pressed."""

    person: str
    channel: str
    made_at: float
    post_ts: str | None = None
    uses: int = 0


class InteractionHandles:
    """All handles of the workspace; a trigger opens a modal within so many seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, trigger_seconds: float = 3.0) -> None:
        self._clock = clock
        self.trigger_seconds = trigger_seconds
        self._triggers: dict[str, tuple[str, float]] = {}
        self._used: set[str] = set()
        self._responses: dict[str, ResponseUrl] = {}

    def new_trigger(self, person: str) -> str:
        """A trigger id; it opens one modal for this person."""
        trigger = f"{secrets.randbelow(10**13)}.{secrets.randbelow(10**9)}.{secrets.token_hex(16)}"
        self._triggers[trigger] = (person, self._clock())
        return trigger

    def use_trigger(self, trigger: str) -> str:
        """The person behind a trigger id. Raises SlackError."""
        if trigger in self._used:
            raise SlackError("exchanged_trigger_id")
        if trigger not in self._triggers:
            raise SlackError("invalid_trigger_id")
        person, made_at = self._triggers[trigger]
        if self._clock() - made_at > self.trigger_seconds:
            raise SlackError("expired_trigger_id")
        self._used.add(trigger)
        return person

    def new_response(self, person: str, channel: str, post_ts: str | None = None) -> str:
        """The last part of a new response address."""
        name = secrets.token_hex(16)
        self._responses[name] = ResponseUrl(person, channel, self._clock(), post_ts)
        return name

    def knows_trigger(self, trigger: str) -> bool:
        """Whether a trigger id was given here."""
        return trigger in self._triggers

    def knows_response(self, name: str) -> bool:
        """Whether a response address was given here."""
        return name in self._responses

    def end(self) -> None:
        """Let everything that was given so far work no more: the app is gone."""
        for trigger, (person, _) in self._triggers.items():
            self._triggers[trigger] = (person, float("-inf"))
        for handle in self._responses.values():
            handle.uses = RESPONSE_USES

    def use_response(self, name: str) -> ResponseUrl:
        """Where the address leads. Raises SlackError where it is used up or too old."""
        handle = self._responses.get(name)
        if handle is None:
            raise SlackError("no_such_response_url")
        if handle.uses >= RESPONSE_USES or self._clock() - handle.made_at > RESPONSE_SECONDS:
            raise SlackError("expired_url")
        handle.uses += 1
        return handle
