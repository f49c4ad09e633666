"""The direct message channels of people."""

from __future__ import annotations

from collections.abc import Callable

from slack_sdk.web.async_client import AsyncWebClient

from domain.message import Recipient
from services.outbox.delivery import SLACK_TROUBLE, ChannelClosed, RetryLater
from services.slack.errors import NOT_SENT, RATE_LIMITED, UNCLEAR, SlackCallFailed


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
