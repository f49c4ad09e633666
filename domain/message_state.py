"""State that is stored with a message in Slack."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Self

from pydantic import ValidationError

from domain.build import App, FrozenModel


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
