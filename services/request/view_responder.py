"""Replies to a button in a modal or on the Home tab: each opens a modal of its own, on top."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import structlog

from domain.message import Message
from messages import notices
from messages.kit import views
from messages.kit.views import ViewMetadata
from services.events import UserActed
from services.request.context import Reply, RequestContext, Visibility
from services.request.placeholder import show_if_slow
from services.request.responder import ChannelResponder
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()

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
