"""The form in which people say who they are at a provider, and what they want to be notified of."""

from __future__ import annotations

from domain.build import FrozenModel
from domain.message import Block
from domain.provider import Provider
from messages.kit.views import FormValues, checkboxes, field, option, text_element

NAME = "name"
NOTIFICATIONS = "told"
LONGEST_NAME = 100
_NOTIFICATION_OPTIONS = {
    "mention": ("Mentions when your build fails", "Where the failure is posted"),
    "ends": ("Direct messages when your builds finish", None),
}


class ProfileForm(FrozenModel):
    """The filled-in profile; without a name, the one claimed before is given up."""

    name: str | None = None
    mention: bool = False
    ends: bool = False


def profile_fields(filled: ProfileForm, provider: Provider) -> list[Block]:
    """Render the fields of the form, filled in with what is known."""
    options = [option(text, key, description) for key, (text, description) in _NOTIFICATION_OPTIONS.items()]
    ticked = [key for key in _NOTIFICATION_OPTIONS if getattr(filled, key)]
    return [
        field(
            NAME,
            f"Your name at {provider.label}",
            text_element(filled.name, most=LONGEST_NAME, placeholder="octo"),
            hint=f"The name that {provider.label} shows with your builds. Only one person here can have it.",
        ),
        field(NOTIFICATIONS, "Notifications", checkboxes(options, ticked)),
    ]


def read_profile(values: FormValues) -> ProfileForm:
    """Read the submitted form."""
    chosen = values.several(NOTIFICATIONS)
    name = values.text(NAME).strip().removeprefix("@")
    return ProfileForm(name=name or None, **{key: key in chosen for key in _NOTIFICATION_OPTIONS})
