"""The channels that messages go to: the bot's membership of them, and the direct message channels of people."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from domain.message import Recipient
from services.outbox.delivery import SLACK_TROUBLE, ChannelClosed, RetryLater
from services.request.context import RequestContext
from services.slack.errors import NOT_SENT, RATE_LIMITED, UNCLEAR, SlackCallFailed

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


class DirectMessages:
    """Opens people's direct messages with the bot, once each; a channel's id is returned as it is."""

    def __init__(self, slack: Callable[[str], AsyncWebClient]) -> None:
        self._slack = slack
        self._opened: dict[Recipient, str] = {}

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        self._opened = {to: channel for to, channel in self._opened.items() if to.team != team}

    async def channel_for(self, to: Recipient) -> str | RetryLater | ChannelClosed:
        """Return the channel to post in for a channel's or a person's id."""
        if not to.channel.startswith(("U", "W")):
            return to.channel
        if to not in self._opened:
            try:
                response = await self._slack(to.team).conversations_open(users=to.channel)
            except SlackCallFailed as error:
                if error.reason == RATE_LIMITED:
                    return RetryLater(error.retry_after, error.reason)
                if error.reason == NOT_SENT or error.reason in UNCLEAR | SLACK_TROUBLE:
                    return RetryLater(5, f"Slack gave no clear answer: {error.detail}")
                return ChannelClosed(error.reason)
            except Exception as error:  # noqa: BLE001 - opening a direct message can be repeated
                return RetryLater(5, f"no answer: {type(error).__name__}")
            self._opened[to] = str(response["channel"]["id"])
        return self._opened[to]
