"""What a look at the bot's surroundings finds, and the findings that are the same wherever the bot is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from bot.manifest import bot_scopes

# A request's signature is refused when it is older than this (Slack's rules, "Answering").
MOST_CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `cure` says what to do where it is not well."""

    what: str
    said: str
    cure: str | None = None

    @property
    def well(self) -> bool:
        """Whether nothing needs to be done."""
        return self.cure is None


def missing_scopes(granted: frozenset[str]) -> list[str]:
    """The scopes that a token lacks; none where Slack does not say what it has."""
    return sorted(bot_scopes() - granted) if granted else []


def clock(answered_at: str | None) -> Finding:
    """This machine's clock beside Slack's; `answered_at` is the HTTP date of an answer of Slack's."""
    if answered_at is None:
        return Finding("Clock", "Slack did not tell its time; nothing to compare")
    skew = abs(datetime.now(UTC) - parsedate_to_datetime(answered_at))
    if skew > MOST_CLOCK_SKEW:
        return Finding("Clock", f"{skew.total_seconds():.0f} s off Slack's", "set this machine's clock (NTP)")
    return Finding("Clock", f"within {max(skew.total_seconds(), 1):.0f} s of Slack's")
