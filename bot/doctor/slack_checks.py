"""Checks of scopes and the clock, for one workspace and for many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from bot.manifest import bot_scopes
from services.provider_connection import Finding

# Older signatures are rejected (Slack's rules, "Answering").
MAX_CLOCK_SKEW = timedelta(minutes=5)


def missing_scopes(granted: frozenset[str]) -> list[str]:
    """Return the scopes that a token lacks; empty if Slack does not report its scopes."""
    return sorted(bot_scopes() - granted) if granted else []


def check_clock(answered_at: str | None) -> Finding:
    """Compare this machine's clock with Slack's; `answered_at` is the Date header of a Slack response."""
    if answered_at is None:
        return Finding("Clock", "Slack did not report its time; nothing to compare")
    skew = abs(datetime.now(UTC) - parsedate_to_datetime(answered_at))
    if skew > MAX_CLOCK_SKEW:
        return Finding(
            "Clock", f"differs from Slack's by {skew.total_seconds():.0f} s", "set this machine's clock (NTP)"
        )
    return Finding("Clock", f"within {max(skew.total_seconds(), 1):.0f} s of Slack's")
