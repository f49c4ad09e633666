"""Submission of the form of a user's profile."""

from __future__ import annotations

from collections.abc import Mapping

from domain.commands.shared_commands import ShowProfile
from messages import notices, profile_form
from messages.kit import action_ids
from messages.kit.view_metadata import ViewMetadata
from messages.profile_form import NAME, ProfileForm
from services.events import UserActed
from services.features.profile import commands
from services.request.context import Reply
from services.request.form_submission import FormHandler, FormSubmission
from services.request.forms import SubmissionFlow


async def submit_profile(form: FormSubmission) -> None:
    """Store the user's name at the provider, and which notifications they want."""
    origin, profile = ViewMetadata.read(form.metadata), profile_form.read_profile(form.values)
    command = ShowProfile(name=profile.name or "", mention=profile.mention, ends=profile.ends)
    saved = commands.show_profile(command, form.context, origin.provider)
    await form.run(saved, _submission_flow(profile, origin))
    form.context.services.events.publish(UserActed(form.context.team, form.context.person))


def _submission_flow(profile: ProfileForm, origin: ViewMetadata) -> SubmissionFlow[Reply]:
    title = profile_form.profile_title(origin.provider)
    return SubmissionFlow(
        waiting=notices.notice_modal(title, "⏳ One moment…"),
        done=lambda _: notices.notice_modal(title, "✅ Saved."),
        again=lambda _: profile_form.profile_modal(profile, origin.provider, origin=origin),
        refused=lambda problem: notices.notice_modal(title, problem),
        field_of=lambda _: NAME,
    )


FORMS: Mapping[str, FormHandler] = {action_ids.SETTINGS_MODAL: submit_profile}
