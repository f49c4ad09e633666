"""What is kept with a message in Slack."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from pydantic import ValidationError

from domain.build import App, FrozenModel


class MessageState(FrozenModel):
    """Something that is kept with a message, as JSON.

    `app` is the one that it tells of, where nothing else knows it any more: all subscriptions to it have ended.
    """

    app: App | None = None

    @classmethod
    def read(cls, note: str | None) -> Self:
        """The note as it was kept; an empty one where there is none, or one of another version of the bot."""
        try:
            return cls.model_validate_json(note or "{}")
        except ValidationError:
            return cls()

    def encode(self) -> str:
        """As it is kept."""
        return self.model_dump_json(exclude_none=True)


class CardState(MessageState):
    """On the card of a broken series: who is on it, and until when it is to be left alone."""

    claimed_by: str | None = None
    snoozed_until: datetime | None = None
    snoozed_by: str | None = None

    def is_snoozed(self, now: datetime) -> bool:
        """Whether it is to be left alone now."""
        return self.snoozed_until is not None and self.snoozed_until > now


class RunNote(MessageState):
    """On the message that follows a run: who has started it, and what it said at first, as markup after their name."""

    by: str = ""
    symbol: str = ""
    said: str = ""


class ThreadState(MessageState):
    """On the head of a thread: which build it showed last, and when."""

    build: str = ""
    shown_at: datetime = datetime.min.replace(tzinfo=UTC)
