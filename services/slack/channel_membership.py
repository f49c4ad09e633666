"""The bot's membership of channels: as a member it can read back its messages, so it never posts one twice."""

from __future__ import annotations

import structlog

from services.request.context import RequestContext
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()


async def enter_channel(context: RequestContext) -> bool:
    """Join the request's channel if possible; return whether the bot can read the channel.

    The bot can join public channels ("conversations.join", docs.slack.dev) if the app was installed with the scope for
    it. To private channels, which it can't even see, it must be invited.
    """
    if context.channel.startswith("D"):
        return True
    try:
        response = await context.slack.conversations_info(channel=context.channel)
        channel = response.get("channel") or {}
        if channel.get("is_member"):
            return True
        if not channel.get("is_private"):
            await context.slack.conversations_join(channel=context.channel)
            return True
    except SlackCallFailed as error:
        log.info("channel.not_entered", channel=context.channel, reason=error.reason)
    return False
