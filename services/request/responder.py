"""How an answer reaches people: over the response_url where Slack gave one, else as a message."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import aiohttp
import structlog
from slack_sdk.webhook.async_client import AsyncWebhookClient

from domain.message import Message
from services.request.context import Reply, RequestContext, Visibility
from services.slack.rate_limit import RateLimitWait

log = structlog.get_logger()


class Responder(Protocol):
    """A way in which answers reach the person who asked."""

    async def show_progress(self, asked: asyncio.Future[Any]) -> None:
        """Let the person see that the answer is under way, where they would wonder otherwise."""

    async def __call__(self, answer: Reply) -> None:
        """Say it. Raises SlackCallFailed."""


class ReplacingResponder(Responder, Protocol):
    """One that can also change what the button was pressed on."""

    async def replace_original(self, message: Message) -> None:
        """Put the message in the place of what the button was pressed on. Raises SlackCallFailed."""


@dataclass(frozen=True)
class ChannelResponder:
    """Says answers as messages, in the thread of the question; what is for one person, to that person alone.

    Without a channel everything is for the person, and comes as a direct message.
    """

    context: RequestContext
    thread: str | None = None
    direct: bool = False

    async def show_progress(self, asked: asyncio.Future[Any]) -> None:
        """A message can wait."""

    async def __call__(self, answer: Reply) -> None:
        """Say it. Raises SlackCallFailed."""
        context, message = self.context, answer.message
        channel = context.channel or await context.direct_message()
        direct = self.direct or not context.channel
        if answer.audience is Visibility.ONE_PERSON and not direct:
            await context.slack.chat_postEphemeral(
                channel=channel,
                user=context.person,
                text=message.text,
                blocks=message.blocks,
                thread_ts=self.thread,
            )
            return
        await context.slack.chat_postMessage(
            channel=channel,
            text=message.text,
            blocks=message.blocks,
            thread_ts=self.thread,
            unfurl_links=False,
            unfurl_media=False,
        )


@dataclass(frozen=True)
class PressedMessage:
    """The message whose button was pressed; an ephemeral one has no name to change it by.

    `unfurled` is the address under which the button was shown, on somebody else's message.
    """

    channel: str
    ts: str | None
    unfurled: str | None = None

    @classmethod
    def in_body(cls, body: Mapping[str, Any]) -> Self | None:
        """The message that a click's payload names; None where it came from a modal or the Home."""
        container = body.get("container") or {}
        channel = (body.get("channel") or {}).get("id") or container.get("channel_id")
        if not channel:
            return None
        ts = None if container.get("is_ephemeral") else container.get("message_ts")
        return cls(channel, ts, container.get("app_unfurl_url"))


@dataclass(frozen=True)
class ResponseUrlResponder:
    """Says answers over a response_url: five times within thirty minutes (Slack's rules, "Answering").

    Where there is none, or it is used up, an answer comes as a message of its own.
    """

    context: RequestContext
    url: str | None
    pressed: PressedMessage | None = None

    async def show_progress(self, asked: asyncio.Future[Any]) -> None:
        """A message can wait."""

    async def __call__(self, answer: Reply) -> None:
        """Say it below what was asked. Raises SlackCallFailed."""
        to_all = answer.audience is Visibility.CHANNEL
        if not await self._send(answer.message, to_all=to_all, replace=False):
            unheard = Reply(answer.message, Visibility.CHANNEL if to_all else Visibility.ONE_PERSON)
            await ChannelResponder(self.context)(unheard)

    async def replace_original(self, message: Message) -> None:
        """Put the message in the place of the one whose button was pressed. Raises SlackCallFailed."""
        pressed = self.pressed
        if pressed is not None and pressed.unfurled is not None and pressed.ts is not None:
            # The message is the person's own; only what stands below the link is ours.
            await self.context.slack.chat_unfurl(
                channel=pressed.channel,
                ts=pressed.ts,
                unfurls={pressed.unfurled: {"blocks": message.blocks, "fallback": message.text}},
            )
            return
        done = await self.replace_over_url(message)
        if not done and self.pressed is not None and self.pressed.ts is not None:
            await self.context.slack.chat_update(
                channel=self.pressed.channel, ts=self.pressed.ts, text=message.text, blocks=message.blocks
            )

    async def replace_over_url(self, message: Message) -> bool:
        """Put the message in the place of the pressed one over the response_url; returns whether Slack has taken it.

        Only that of a press can do so: a command's says everything anew.
        """
        return await self._send(message, to_all=False, replace=True)

    async def _send(self, message: Message, *, to_all: bool, replace: bool) -> bool:
        if self.url is None:
            return False
        if not self.context.services.response_urls.is_response_url(self.url):
            # Whoever has an address to which answers go may write there: it is no more shown than a token.
            log.warning("answer.not_slacks", **self.context.services.response_urls.describe_foreign(self.url))
            return False
        client = AsyncWebhookClient(
            self.url,
            session=self.context.services.session,
            retry_handlers=[RateLimitWait()],
        )
        try:
            response = await client.send(
                text=message.text,
                blocks=message.blocks,
                response_type="in_channel" if to_all else "ephemeral",
                replace_original=replace,
                unfurl_links=False,
            )
        except aiohttp.ClientResponseError as error:
            log.warning("answer.not_taken", status=error.status, reason=error.message)
            return False
        except (TimeoutError, aiohttp.ClientError, ValueError, LookupError) as error:
            # It may have arrived: to say it again, in another way, could show it twice.
            log.warning("answer.lost", reason=type(error).__name__)
            return not isinstance(error, aiohttp.ClientConnectorError)
        if response.status_code != 200:
            log.warning("answer.not_taken", status=response.status_code, reason=response.body[:100])
        return bool(response.status_code == 200)
