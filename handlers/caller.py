"""Who asks, and from where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from bot.messages import Message
from handlers.desk import Desk


@dataclass(frozen=True)
class Caller:
    """A person in a channel; `name` is how Slack shows them, `person` their id."""

    desk: Desk
    person: str
    name: str
    team: str
    channel: str

    def now(self) -> datetime:
        """The time of the answer."""
        return self.desk.clock()


class Audience(Enum):
    """Who is shown an answer."""

    ASKER = "the one who asked, in the way they asked"
    ONE_PERSON = "that one person alone, since it may hold what others must not see"
    CHANNEL = "everybody in the channel, since it concerns them"


@dataclass(frozen=True)
class Answer:
    """What is said back."""

    message: Message
    audience: Audience = Audience.ASKER
