"""The form that searches a log."""

from __future__ import annotations

from dataclasses import dataclass

from domain.message import Block, Message
from messages.kit import views
from messages.kit.button_values import LogButton
from providers.bitrise import action_ids
from providers.bitrise.logs import commands, messages
from services.request.forms import FollowUp, Form

LONGEST_WORD = 200


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
        return self.draw(
            views.field(
                messages.WORD,
                "Word or part of a line",
                views.text_element(self.filled, most=LONGEST_WORD, placeholder="error:"),
                optional=False,
                hint="Large and small letters are the same. The log is searched as far as it is written.",
            ),
            submit="Search",
            problem=problem,
        )

    async def submit(self) -> Message:
        """Render the lines. Raises UserError, ProviderError."""
        return await commands.search(self.origin, self.filled, self.context)

    def render_result(self, result: Message) -> Block:
        """Draw the lines."""
        return views.shown_in_modal(self.title, result)
