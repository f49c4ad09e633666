"""Who asks, and from where."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any
from zoneinfo import available_timezones

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
        user = await self._user()
        profile = user.get("profile") or {}
        return str(profile.get("display_name") or user.get("real_name") or user.get("name") or self.person)

    async def zone(self) -> str:
        """The person's time zone, by its IANA name; UTC where Slack does not say."""
        zone = str((await self._user()).get("tz") or "UTC")
        return zone if zone in available_timezones() else "UTC"

    async def email(self) -> str | None:
        """The person's e-mail address; None where Slack does not say."""
        return ((await self._user()).get("profile") or {}).get("email")

    async def direct_message(self) -> str:
        """The person's direct message with the bot. Raises SlackApiError."""
        if self.channel.startswith("D"):
            return self.channel
        answer = await self.desk.slack.conversations_open(users=self.person)
        return str(answer["channel"]["id"])

    async def _user(self) -> Mapping[str, Any]:
        try:
            return (await self.desk.slack.users_info(user=self.person)).get("user") or {}
        except SlackApiError:
            return {}


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
