"""Answers to what is pressed in a modal or on the Home: each in a modal of its own, on top."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import structlog

from domain.message import Message
from messages import notices
from messages.kit import views
from messages.kit.view_metadata import ViewMetadata
from services.request.context import Reply, RequestContext, Visibility
from services.request.responder import ChannelResponder
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()

# A trigger_id lives three seconds (Slack's rules, "Answering"): what takes longer needs its modal before it is there.
PATIENCE_SECONDS = 1.2


@dataclass
class ViewResponder:
    """Says answers in a modal; what concerns a channel is also said there, or to the person where there is none.

    `waits` is False where a form is asked for, which opens by itself.
    """

    context: RequestContext
    waits: bool = True
    _shown: str | None = field(default=None, init=False)

    @property
    def shown(self) -> str | None:
        """The id of the modal that the answer is in; None before there is one."""
        return self._shown

    async def show_progress(self, asked: asyncio.Future[Any]) -> None:
        """Open the modal with nothing in it yet where the answer takes long."""
        if not self.waits:
            return  # what is asked opens a modal itself
        await asyncio.wait({asked}, timeout=PATIENCE_SECONDS)
        if not asked.done():
            await self._put(notices.in_progress(), "Buildbell")

    async def __call__(self, answer: Reply) -> None:
        """Say it. Raises SlackCallFailed."""
        await self._put(answer.message, answer.title)
        if answer.audience is Visibility.CHANNEL:
            await ChannelResponder(self.context)(answer)

    async def replace_original(self, message: Message) -> None:
        """Put the message in the place of the modal that the button was pressed in; the Home is drawn anew."""
        pane = self.context.view
        if pane is None or pane.is_home:
            self.context.services.events.home_changed(self.context.team, self.context.person)
            return
        await self._change(pane.id, message, "Buildbell")

    async def _put(self, message: Message, title: str) -> None:
        if self._shown is not None:
            await self._change(self._shown, message, title)
            return
        self._shown = await self.context.open_view(self._view(message, title))

    async def _change(self, view_id: str, message: Message, title: str) -> None:
        try:
            await self.context.update_view(view_id, self._view(message, title))
        except SlackCallFailed as error:
            if error.reason != "not_found":
                raise
            log.info("pane.gone", view=view_id)  # the person has closed it

    def _view(self, message: Message, title: str) -> dict[str, Any]:
        origin = ViewMetadata(channel=self.context.channel)
        return views.shown_in_modal(title, message, private_metadata=origin.encode())
