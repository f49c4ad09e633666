"""Delivery of replies: over the response_url, as a message, or as a modal on top of a modal or of the Home tab.

What takes long gets a placeholder first: Slack wants an acknowledgement, and the modal of a trigger_id, within three
seconds (Slack's rules, "Answering").
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import aiohttp
import structlog
from aiohttp import hdrs

from domain.message import Message
from messages import notices
from messages.kit import views
from messages.kit.views import ViewMetadata
from services.events import UserActed
from services.request.context import Reply, RequestContext, Visibility
from services.request.error_messages import reply_to_error
from services.request.late_replies import is_slack_outage
from services.request.request_tracker import Repeated, start_once, wait_for_place
from services.slack.errors import LONGEST_WAIT, TIMES_TO_WAIT, SlackCallFailed, retry_after
from services.slack.interaction_payloads import ActionPayload, Container

log = structlog.get_logger()


async def show_if_slow(
    task: asyncio.Future[Any], seconds: float, show: Callable[[], Awaitable[object]]
) -> bool:
    """Wait for the task; if it takes longer than `seconds`, show a placeholder. Return whether it was shown.

    Raises what `show` raises, after the end of the task.
    """
    await asyncio.wait({task}, timeout=max(seconds, 0.0))
    if task.done():
        return False
    try:
        await show()
    finally:
        await asyncio.wait({task})
    return True


class Responder(Protocol):
    """Sends replies to the user who made the request."""

    async def show_progress(self, task: asyncio.Future[Any]) -> None:
        """Show that the reply is in progress, if the user would see nothing otherwise."""

    async def __call__(self, answer: Reply) -> None:
        """Send the reply. Raises SlackCallFailed."""


class ReplacingResponder(Responder, Protocol):
    """A responder that can also replace the message or modal of the pressed button."""

    async def replace_original(self, message: Message) -> None:
        """Replace the message or modal of the pressed button. Raises SlackCallFailed."""


@dataclass(frozen=True)
class ChannelResponder:
    """Posts replies as messages in the thread of the request, those for one person as ephemeral messages.

    Without a channel every reply is a direct message.
    """

    context: RequestContext
    thread: str | None = None
    direct: bool = False

    async def show_progress(self, task: asyncio.Future[Any]) -> None:
        """Do nothing: a message can wait."""

    async def __call__(self, answer: Reply) -> None:
        """Post the reply. Raises SlackCallFailed."""
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
    """The message whose button was pressed; `ts` is None for an ephemeral one, which can't be updated by it.

    `unfurled` is the URL whose preview has the button, on another user's message.
    """

    channel: str
    ts: str | None
    unfurled: str | None = None

    @classmethod
    def of(cls, payload: ActionPayload) -> Self | None:
        """Return the message of the button; None if it is in a modal or on the Home tab."""
        if payload.channel_id is None:
            return None
        container = payload.container or Container()
        ts = None if container.is_ephemeral else container.message_ts
        return cls(payload.channel_id, ts, container.app_unfurl_url)


@dataclass(frozen=True)
class ResponseUrlResponder:
    """Sends replies over a response_url, which works five times within thirty minutes (Slack's rules, "Answering").

    Without one, or once it is used up, a reply is posted as a message of its own.
    """

    context: RequestContext
    url: str | None
    pressed: PressedMessage | None = None

    async def show_progress(self, task: asyncio.Future[Any]) -> None:
        """Do nothing: a message can wait."""

    async def __call__(self, answer: Reply) -> None:
        """Send the reply as a new message. Raises SlackCallFailed."""
        in_channel = answer.audience is Visibility.CHANNEL
        if not await self._send(answer.message, in_channel=in_channel, replace=False):
            reply = Reply(answer.message, Visibility.CHANNEL if in_channel else Visibility.ONE_PERSON)
            await ChannelResponder(self.context)(reply)

    async def replace_original(self, message: Message) -> None:
        """Replace the message of the pressed button. Raises SlackCallFailed."""
        pressed = self.pressed
        if pressed is not None and pressed.unfurled is not None and pressed.ts is not None:
            # The message is the user's own; only the preview below the link is ours.
            await self.context.slack.chat_unfurl(
                channel=pressed.channel,
                ts=pressed.ts,
                unfurls={pressed.unfurled: {"blocks": message.blocks, "fallback": message.text}},
            )
            return
        replaced = await self.replace_over_url(message)
        if not replaced and self.pressed is not None and self.pressed.ts is not None:
            await self.context.slack.chat_update(
                channel=self.pressed.channel, ts=self.pressed.ts, text=message.text, blocks=message.blocks
            )

    async def replace_over_url(self, message: Message) -> bool:
        """Replace the message of the pressed button over the response_url; return whether Slack accepted it.

        Only the response_url of a button press can replace a message; that of a command posts a new one.
        """
        return await self._send(message, in_channel=False, replace=True)

    async def _send(self, message: Message, *, in_channel: bool, replace: bool) -> bool:
        if self.url is None:
            return False
        if not self.context.services.slack.urls.is_response_url(self.url):
            # Anyone who knows a response_url can post to it, so it is logged no more than a token is.
            log.warning("answer.not_slacks", **self.context.services.slack.urls.describe_foreign(self.url))
            return False
        content = {
            "text": message.text,
            "blocks": message.blocks,
            "response_type": "in_channel" if in_channel else "ephemeral",
            "replace_original": replace,
            "unfurl_links": False,
        }
        try:
            status, words = await _post(self.context.services.slack.session, self.url, content)
        except aiohttp.ClientResponseError as error:
            log.warning("answer.not_taken", status=error.status, reason=error.message)
            return False
        except (TimeoutError, aiohttp.ClientError, ValueError, LookupError) as error:
            # The reply may have arrived: sending it another way could show it twice.
            log.warning("answer.lost", reason=type(error).__name__)
            return not isinstance(error, aiohttp.ClientConnectorError)
        if status != 200:
            log.warning("answer.not_taken", status=status, reason=words[:100].decode("utf-8", "replace"))
        return status == 200


async def _post(session: aiohttp.ClientSession, url: str, content: Mapping[str, object]) -> tuple[int, bytes]:
    """Post JSON and return the status and body of the response; a 429 is waited out like those of the Web API.

    slack_sdk's webhook client (3.47) does the same with half as much work again. Raises aiohttp.ClientError,
    TimeoutError, ValueError and LookupError.
    """
    body = json.dumps(content).encode()
    headers = {hdrs.CONTENT_TYPE: "application/json;charset=utf-8"}
    waited = 0
    while True:
        async with session.post(url, data=body, headers=headers) as response:
            words = await response.read()
        pause = retry_after(response.headers)
        if response.status != 429 or waited == TIMES_TO_WAIT or pause > LONGEST_WAIT:
            return response.status, words
        waited += 1
        await asyncio.sleep(pause)


# A trigger_id expires after three seconds (Slack's rules, "Answering"), so a slow reply opens its modal beforehand.
PATIENCE_SECONDS = 1.2


@dataclass
class ViewResponder:
    """Shows replies in a modal; those for a channel are also posted there, or to the user if there is no channel.

    `waits` is False for a button that opens a form itself.
    """

    context: RequestContext
    waits: bool = True
    _shown: str | None = field(default=None, init=False)

    @property
    def shown(self) -> str | None:
        """The id of the modal with the reply; None before it is opened."""
        return self._shown

    async def show_progress(self, task: asyncio.Future[Any]) -> None:
        """Open the modal with a progress notice if the reply takes long."""
        if not self.waits:
            return  # the handler opens a modal itself
        await show_if_slow(task, PATIENCE_SECONDS, lambda: self._show(notices.in_progress(), "Buildbell"))

    async def __call__(self, answer: Reply) -> None:
        """Show the reply. Raises SlackCallFailed."""
        await self._show(answer.message, answer.title)
        if answer.audience is Visibility.CHANNEL:
            await ChannelResponder(self.context)(answer)

    async def replace_original(self, message: Message) -> None:
        """Replace the modal of the pressed button, or redraw the Home tab."""
        view = self.context.view
        if view is None or view.is_home:
            self.context.services.events.publish(UserActed(self.context.team, self.context.person))
            return
        await self._update(view.id, message, "Buildbell")

    async def _show(self, message: Message, title: str) -> None:
        if self._shown is not None:
            await self._update(self._shown, message, title)
            return
        self._shown = await self.context.open_view(self._view(message, title))

    async def _update(self, view_id: str, message: Message, title: str) -> None:
        try:
            await self.context.update_view(view_id, self._view(message, title))
        except SlackCallFailed as error:
            if error.reason != "not_found":
                raise
            log.info("pane.gone", view=view_id)  # the user has closed it

    def _view(self, message: Message, title: str) -> dict[str, Any]:
        origin = ViewMetadata(channel=self.context.channel)
        return views.shown_in_modal(title, message, private_metadata=origin.encode())


async def reply_or_explain(
    handling: Coroutine[Any, Any, Reply | None], responder: Responder, *, changes: bool = True
) -> None:
    """Send the reply, or a message about the error; nothing if the handler has sent a message itself.

    If the request `changes` something (or may), its start is stored first, so that a repeated delivery is ignored.
    """
    try:
        await (start_once() if changes else wait_for_place())
    except Repeated:
        handling.close()
        return
    except Exception as error:  # noqa: BLE001 - every error is shown to the user
        handling.close()
        await send_reply(reply_to_error(error), responder)
        return
    task = asyncio.create_task(handling)
    try:
        await responder.show_progress(task)
    except (SlackCallFailed, TimeoutError) as problem:
        # The request is still running and is waited for.
        log.info("answer.not_shown_yet", reason=type(problem).__name__)
    try:
        reply = await task
    except Repeated:
        return
    except Exception as error:  # noqa: BLE001 - every error is shown to the user
        reply = reply_to_error(error)
    if reply is not None:
        await send_reply(reply, responder)


async def send_reply(reply: Reply, responder: Responder) -> None:
    """Send the reply; if Slack has an outage, retry later. Raises SlackCallFailed."""
    try:
        await responder(reply)
    except SlackCallFailed as problem:
        # A modal is gone by the time Slack is back.
        if not isinstance(responder, ChannelResponder | ResponseUrlResponder) or not is_slack_outage(problem):
            raise
        context = responder.context
        log.warning("answer.not_taken_yet", reason=type(problem).__name__)
        if not context.services.slack.late_replies.retry(
            context.team, context.person, lambda: responder(reply)
        ):
            raise
