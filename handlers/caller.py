"""Who asks, and from where."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from slack_sdk.errors import SlackApiError

from bot.messages import Message
from handlers.desk import Desk


@dataclass(frozen=True)
class Caller:
    """A person in a channel. `name` is the one that Slack sent along, if it did; `person` is their id."""

    desk: Desk
    person: str
    team: str
    channel: str
    name: str | None = None

    def now(self) -> datetime:
        """The time of the answer."""
        return self.desk.clock()

    async def signature(self) -> str:
        """The person's name, for Bitrise, which knows only the owner of the bot's token."""
        if self.name:
            return self.name
        try:
            user = (await self.desk.slack.users_info(user=self.person)).get("user") or {}
        except SlackApiError:
            return self.person
        profile = user.get("profile") or {}
        return str(profile.get("display_name") or user.get("real_name") or user.get("name") or self.person)


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
