"""Open the form of a user's profile."""

from __future__ import annotations

from domain.provider import Provider
from messages import profile_form
from messages.kit.view_metadata import ViewMetadata
from messages.profile_form import ProfileForm
from services.features.profile import commands
from services.request.context import RequestContext
from services.request.modals import check_can_open


async def open_profile(context: RequestContext, provider: Provider) -> None:
    """Open the form of the user's profile, with its current values. Raises UserError, SlackCallFailed."""
    check_can_open(context)
    profile = await context.storage.user_profiles.find(context.person)
    form = ProfileForm(
        name=profile.name, mention=profile.mention, ends=await commands.is_notified_of_ends(context)
    )
    await context.open_view(
        profile_form.profile_modal(
            form, provider, origin=ViewMetadata(channel=context.channel, provider=provider)
        )
    )
