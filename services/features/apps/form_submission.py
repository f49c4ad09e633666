"""Submission of the form that chooses a channel's app."""

from __future__ import annotations

from collections.abc import Mapping

from domain.commands.shared_commands import UseApp
from messages import choose_app_form, notices
from messages.choose_app_form import APP, TITLE
from messages.kit import action_ids
from messages.kit.view_metadata import ViewMetadata
from services.features.apps import commands
from services.request.context import Reply
from services.request.form_submission import FormHandler, FormSubmission
from services.request.forms import SubmissionFlow
from services.request.responder import ChannelResponder


async def submit_app_choice(form: FormSubmission) -> None:
    """Set the channel's app, used by commands that name none."""
    origin = ViewMetadata.read(form.metadata)
    command = UseApp(app=choose_app_form.read_app(form.values))
    reply = await form.run(commands.use_app(command, form.context, origin.provider), _submission_flow(origin))
    if reply is not None:
        await ChannelResponder(form.context)(reply)


def _submission_flow(origin: ViewMetadata) -> SubmissionFlow[Reply]:
    return SubmissionFlow(
        waiting=notices.notice_modal(TITLE, "⏳ One moment…"),
        done=lambda _: notices.notice_modal(TITLE, "✅ Chosen; the channel was told."),
        again=lambda problem: choose_app_form.choose_app_modal(origin=origin, problem=problem),
        refused=lambda problem: notices.notice_modal(TITLE, problem),
        field_of=lambda _: APP,
    )


FORMS: Mapping[str, FormHandler] = {action_ids.CHOOSE_APP_MODAL: submit_app_choice}
