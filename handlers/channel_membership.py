"""The bot's own place in a channel: where it is a member it can read back what it has posted, and never posts twice."""

from __future__ import annotations

import structlog
from slack_sdk.errors import SlackApiError

from handlers.caller import Caller

log = structlog.get_logger()


async def enter_channel(caller: Caller) -> bool:
    """Join the caller's channel where the bot may; returns whether it can read the channel back.

    Public channels can be joined ("conversations.join", docs.slack.dev), where the app was installed with the scope for
    it; into private ones somebody has to invite the bot.
    """
    if caller.channel.startswith("D"):
        return True
    try:
        await caller.slack.conversations_join(channel=caller.channel)
    except SlackApiError as error:
        reason = _reason(error)
        log.info("channel.not_joined", channel=caller.channel, reason=reason)
        return await _can_read_back(caller)
    return True


async def _can_read_back(caller: Caller) -> bool:
    try:
        await caller.slack.conversations_history(channel=caller.channel, limit=1)
    except SlackApiError as error:
        # Only this one says for sure that an invitation would help.
        return _reason(error) not in ("not_in_channel", "channel_not_found")
    return True


def _reason(error: SlackApiError) -> str:
    data = getattr(error.response, "data", None)
    return str(data.get("error") or "") if isinstance(data, dict) else ""
