"""Submission of the form for a user's own token."""

from __future__ import annotations

from collections.abc import Mapping

from messages import accounts as message_accounts
from messages import notices
from messages.accounts import TOKEN
from messages.kit import action_ids
from messages.kit.view_metadata import ViewMetadata
from services.features.accounts import commands
from services.request.context import RequestContext
from services.request.form_submission import FormHandler, FormSubmission
from services.request.forms import FollowUp, SubmissionFlow


async def submit_token(form: FormSubmission) -> None:
    """Connect the account of the pasted token."""
    origin = ViewMetadata.read(form.metadata)
    token = message_accounts.read_token(form.values)
    await form.run(
        commands.link_account(token, form.context, origin.provider), _submission_flow(origin, form.context)
    )


def _submission_flow(origin: ViewMetadata, context: RequestContext) -> SubmissionFlow[str]:
    provider = origin.provider
    title = message_accounts.account_title(provider)
    return SubmissionFlow(
        waiting=notices.notice_modal(title, f"⏳ Asking {provider.label} whose token this is…"),
        done=lambda name: notices.notice_modal(title, message_accounts.account_connected(name, provider)),
        # Without the input: a token is put into no view.
        again=lambda problem: message_accounts.connect_modal(
            context.services.registry.presentation_of(provider), origin=origin, problem=problem
        ),
        refused=lambda problem: notices.notice_modal(title, problem),
        field_of=lambda _: TOKEN,
        then=FollowUp.REPLACED,
    )


FORMS: Mapping[str, FormHandler] = {action_ids.CONNECT_MODAL: submit_token}
