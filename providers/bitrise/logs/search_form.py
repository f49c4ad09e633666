"""The form that searches a log."""

from __future__ import annotations

from dataclasses import dataclass

from domain.message import Block, Message
from messages.kit import views
from messages.kit.button_values import LogButton
from providers.bitrise import action_ids
from providers.bitrise.logs import commands, messages
from services.request.context import RequestContext
from services.request.forms import FollowUp, Form


@dataclass
class LogSearchForm(Form[LogButton, str, Message]):
    """Shows the lines of the log that contain the word."""

    callback_id = action_ids.LOG_SEARCH_MODAL
    title = "Search the log"
    error_field = messages.WORD
    progress = "Reading the whole log…"
    follow_up = FollowUp.COVERED
    is_refused_for_good = True
    read_origin = LogButton.decode
    read_input = staticmethod(messages.read_word)

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with the word."""
        return messages.search_modal(self.origin, typed=self.filled, problem=problem)

    async def submit(self) -> Message:
        """Render the lines. Raises UserError, ProviderError."""
        return await commands.search(self.origin, self.filled, self.context)

    def render_result(self, result: Message) -> Block:
        """Draw the lines."""
        return views.shown_in_modal(self.title, result)


async def open_search(button: LogButton, context: RequestContext) -> None:
    """Open the form that searches a log. Raises UserError, SlackCallFailed."""
    await LogSearchForm(context, button, "").open()
