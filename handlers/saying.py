"""How an answer reaches people: over the response_url where Slack gave one, else as a message."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.messages import Message
from handlers.caller import Answer, Audience
from handlers.desk import Desk

log = structlog.get_logger()


@dataclass(frozen=True)
class ToResponseUrl:
    """Says answers over a response_url: five times within thirty minutes (Slack's rules, "Answering")."""

    desk: Desk
    url: str

    async def __call__(self, answer: Answer) -> None:
        """Say it below what was asked."""
        await self._send(answer.message, to_all=answer.audience is Audience.CHANNEL, replace=False)

    async def instead(self, message: Message) -> None:
        """Put the message in the place of the one whose button was pressed."""
        await self._send(message, to_all=False, replace=True)

    async def _send(self, message: Message, *, to_all: bool, replace: bool) -> None:
        client = AsyncWebhookClient(
            self.url, session=self.desk.session, retry_handlers=[AsyncRateLimitErrorRetryHandler(max_retry_count=2)]
        )
        response = await client.send(
            text=message.text,
            blocks=message.blocks,
            response_type="in_channel" if to_all else "ephemeral",
            replace_original=replace,
            unfurl_links=False,
        )
        if response.status_code != 200:
            log.warning("answer.not_taken", status=response.status_code, reason=response.body[:100])


@dataclass(frozen=True)
class ToChannel:
    """Says answers as messages, in the thread of the question; what is for one person, to that person alone."""

    desk: Desk
    channel: str
    person: str
    thread: str | None
    direct: bool

    async def __call__(self, answer: Answer) -> None:
        """Say it."""
        message = answer.message
        if answer.audience is Audience.ONE_PERSON and not self.direct:
            await self.desk.slack.chat_postEphemeral(
                channel=self.channel,
                user=self.person,
                text=message.text,
                blocks=message.blocks,
                thread_ts=self.thread,
            )
            return
        await self.desk.slack.chat_postMessage(
            channel=self.channel,
            text=message.text,
            blocks=message.blocks,
            thread_ts=self.thread,
            unfurl_links=False,
            unfurl_media=False,
        )
