"""The form of a user's profile, and the button that opens it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.commands.shared_commands import ShowProfile
from domain.message import Block
from domain.provider import Provider
from messages import profile_form
from messages.kit import action_ids
from messages.kit.views import ViewMetadata
from messages.profile_form import NAME, ProfileForm
from services.events import UserActed
from services.features.profile import commands
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import RequestContext
from services.request.forms import Form


@dataclass
class EditProfileForm(Form[ViewMetadata, ProfileForm, None]):
    """Stores the user's name at the provider, and which notifications they want."""

    callback_id = action_ids.SETTINGS_MODAL
    error_field = NAME
    success = "✅ Saved."
    is_refusal_final = True
    read_origin = ViewMetadata.read
    read_input = staticmethod(profile_form.read_profile)

    @property
    def title(self) -> str:
        """The title, which names the provider."""
        return f"Your {self.origin.provider.label} profile"

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with the profile."""
        fields = profile_form.profile_fields(self.filled, self.origin.provider)
        return self.draw(*fields, submit="Save", problem=problem)

    async def submit(self) -> None:
        """Store the profile. Raises UserError."""
        profile = self.filled
        command = ShowProfile(name=profile.name or "", mention=profile.mention, ends=profile.ends)
        try:
            await commands.show_profile(command, self.context, self.origin.provider)
        finally:
            self.context.services.events.publish(UserActed(self.context.team, self.context.person))


async def open_profile(context: RequestContext, provider: Provider) -> None:
    """Open the form of the user's profile, with its current values. Raises UserError, SlackCallFailed."""
    stored = await context.storage.user_profiles.find(context.person)
    profile = ProfileForm(
        name=stored.name, mention=stored.mention, ends=await commands.is_notified_of_ends(context)
    )
    origin = ViewMetadata(channel=context.channel, provider=provider)
    await EditProfileForm(context, origin, profile).open()


async def _open_profile(press: ButtonPress) -> None:
    registry = press.context.services.registry
    # Users are known by their name where Home lists their builds.
    spec = next((spec for spec in registry if spec.lists_builds), registry.first)
    await open_profile(press.context, spec.provider)


FORM_BUTTONS: Mapping[str, ButtonHandler] = {action_ids.SETTINGS: _open_profile}
