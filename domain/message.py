"""A Slack message: its content, its recipient, the state stored with it, and how the end of a run is rendered."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, Self

from pydantic import ValidationError

from domain.build import App, FrozenModel
from domain.pipeline import Pipeline

Block = dict[str, Any]


@dataclass(frozen=True)
class Message:
    """A Slack message. `text` alone is sufficient: notifications show it, and screen readers read it."""

    text: str
    blocks: list[Block] = field(default_factory=list)

    def encode(self) -> str:
        """Return it as JSON, to be stored until it can be sent."""
        return json.dumps({"text": self.text, "blocks": self.blocks}, ensure_ascii=False)

    @classmethod
    def decode(cls, content: str) -> Self:
        """Parse what `encode` returned."""
        return cls(**json.loads(content))


class Recipient(FrozenModel):
    """A channel or person in one workspace: channels of two workspaces may have the same id."""

    team: str
    channel: str

    @property
    def key(self) -> str:
        """The recipient as the key of a unit of work."""
        return f"{self.team}/{self.channel}"

    @classmethod
    def of_key(cls, key: str) -> Self:
        """Read a key."""
        team, _, channel = key.partition("/")
        return cls(team=team, channel=channel)


class MessageState(FrozenModel):
    """State stored with a message, as JSON.

    `app` is the message's app, if nothing else refers to it any more because all its subscriptions have ended.
    """

    app: App | None = None

    @classmethod
    def read(cls, note: str | None) -> Self:
        """Parse the stored note; return an empty one if there is none, or it is from another version of the bot."""
        try:
            return cls.model_validate_json(note or "{}")
        except ValidationError:
            return cls()

    def encode(self) -> str:
        """Return it as it is stored."""
        return self.model_dump_json(exclude_none=True)


class CardState(MessageState):
    """The state of a failure streak's card: who claimed it, and until when it is snoozed."""

    claimed_by: str | None = None
    snoozed_until: datetime | None = None
    snoozed_by: str | None = None

    def is_snoozed(self, now: datetime) -> bool:
        """Return whether the card is snoozed now."""
        return self.snoozed_until is not None and self.snoozed_until > now


class RunNote(MessageState):
    """The state of a message that follows a run: who started it, and its first text, as markup after their name."""

    by: str = ""
    symbol: str = ""
    said: str = ""


class ThreadState(MessageState):
    """The state of a thread's first message: the build that it showed last, and when."""

    build: str = ""
    shown_at: datetime = datetime.min.replace(tzinfo=UTC)


class RunMessages(Protocol):
    """Renders messages that storage queues in the same transaction as the end of the run that they follow."""

    def render_unfollowed(self, note: RunNote, why: str) -> Message:
        """Render that the run is no longer followed; `why` ends a sentence, `{by}` in it is the user who started it."""

    def render_ended_pipeline(self, pipeline: Pipeline, app: App, note: RunNote, *, now: datetime) -> Message:
        """Render the result of a pipeline and who started it."""
