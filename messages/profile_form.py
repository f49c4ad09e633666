"""The form in which people say who they are at a provider, and what they want to be notified of."""

from __future__ import annotations

from domain.build import FrozenModel
from domain.message import Block
from domain.provider import Provider
from messages.kit import action_ids
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import FormValues, field, modal, option, text_element, warning

NAME = "name"
NOTIFICATIONS = "told"
LONGEST_NAME = 100
_NOTIFICATION_OPTIONS = {
    "mention": ("Mention me where my build fails", "In the channels that are told of it"),
    "ends": ("Send me how my builds end", "As direct messages"),
}


class ProfileForm(FrozenModel):
    """The filled-in profile; without a name, the one claimed before is given up."""

    name: str | None = None
    mention: bool = False
    ends: bool = False


def profile_title(provider: Provider) -> str:
    """Return the title of the form."""
    return f"You at {provider.label}"


def profile_modal(
    filled: ProfileForm, provider: Provider, *, origin: ViewMetadata, problem: str | None = None
) -> Block:
    """Render the form, filled in with what is known."""
    chosen = [_option(key) for key in _NOTIFICATION_OPTIONS if getattr(filled, key)]
    checkboxes: Block = {"type": "checkboxes", "options": [_option(key) for key in _NOTIFICATION_OPTIONS]}
    return modal(
        profile_title(provider),
        [
            *warning(problem),
            field(
                NAME,
                f"Your name at {provider.label}",
                text_element(filled.name, most=LONGEST_NAME, placeholder="octo"),
                hint=f"The name that {provider.label} shows with your builds; only one person here can have it.",
            ),
            field(
                NOTIFICATIONS,
                "What I tell you",
                checkboxes | {"initial_options": chosen} if chosen else checkboxes,
            ),
        ],
        callback_id=action_ids.SETTINGS_MODAL,
        private_metadata=origin.encode(),
        submit="Save",
        close="Cancel",
    )


def read_profile(values: FormValues) -> ProfileForm:
    """Read the submitted form."""
    chosen = values.several(NOTIFICATIONS)
    name = values.text(NAME).strip().removeprefix("@")
    return ProfileForm(name=name or None, **{key: key in chosen for key in _NOTIFICATION_OPTIONS})


def _option(key: str) -> Block:
    text, description = _NOTIFICATION_OPTIONS[key]
    return option(text, key, description)
