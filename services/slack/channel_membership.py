"""The bot's own place in a channel: where it is a member it can read back what it has posted, and never posts twice."""

from __future__ import annotations

import structlog

from services.request.context import RequestContext
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()


async def enter_channel(context: RequestContext) -> bool:
    """Join the caller's channel where the bot may and has not; returns whether it can read the channel back.

    Public channels can be joined ("conversations.join", docs.slack.dev), where the app was installed with the scope for
    it; into private ones somebody has to invite the bot, which can't even see them before.
    """
    if context.channel.startswith("D"):
        return True
    try:
        answer = await context.slack.conversations_info(channel=context.channel)
        channel = answer.get("channel") or {}
        if channel.get("is_member"):
            return True
        if not channel.get("is_private"):
            await context.slack.conversations_join(channel=context.channel)
            return True
    except SlackCallFailed as error:
        log.info("channel.not_entered", channel=context.channel, reason=error.reason)
    return False
