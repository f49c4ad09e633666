"""The form that searches a log: its opening and its submission."""

from __future__ import annotations

from collections.abc import Mapping

from domain.message import Message
from messages import notices
from messages.kit import views
from messages.kit.button_values import LogButton
from providers.bitrise import action_ids
from providers.bitrise.logs import commands, messages
from providers.bitrise.logs.messages import WORD
from services.request.context import RequestContext
from services.request.form_submission import FormHandler, FormSubmission
from services.request.forms import FollowUp, SubmissionFlow
from services.request.modals import check_can_open

_TITLE = "Search the log"


async def open_search(about: LogButton, context: RequestContext) -> None:
    """Open the form that searches a log. Raises UserError, SlackCallFailed."""
    check_can_open(context)
    await context.open_view(messages.search_modal(about))


async def submit_log_search(form: FormSubmission) -> None:
    """Show the lines of the log that contain the word."""
    button = LogButton.decode(form.metadata)
    word = messages.read_word(form.values)
    await form.run(commands.search(button, word, form.context), _submission_flow(button, word))


def _submission_flow(button: LogButton, word: str) -> SubmissionFlow[Message]:
    return SubmissionFlow(
        waiting=notices.notice_modal(_TITLE, "⏳ Reading the whole log…"),
        done=lambda message: views.shown_in_modal(_TITLE, message),
        again=lambda problem: messages.search_modal(button, typed=word, problem=problem),
        refused=lambda problem: notices.notice_modal(_TITLE, problem),
        field_of=lambda _: WORD,
        then=FollowUp.COVERED,
    )


FORMS: Mapping[str, FormHandler] = {action_ids.LOG_SEARCH_MODAL: submit_log_search}
