"""The form in which people say who they are at a provider, and what they want to be notified of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.build import FrozenModel
from domain.message import Block
from domain.provider import Provider
from messages.kit import action_ids
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import FormValues, field, modal, option, text_element

NAME = "name"
TOLD = "told"
LONGEST_NAME = 100
_TOLD = {
    "mention": ("Mention me where my build fails", "In the channels that are told of it"),
    "ends": ("Send me how my builds end", "As direct messages"),
}


class ProfileForm(FrozenModel):
    """What a person says of themselves; no name gives up the one that they have claimed."""

    name: str | None = None
    mention: bool = False
    ends: bool = False


def profile_title(provider: Provider) -> str:
    """Return the title of the form."""
    return f"You at {provider.label}"


def profile_modal(filled: ProfileForm, provider: Provider, *, origin: ViewMetadata) -> Block:
    """Render the form, filled in with what is known."""
    chosen = [_option(key) for key in _TOLD if getattr(filled, key)]
    told: Block = {"type": "checkboxes", "options": [_option(key) for key in _TOLD]}
    return modal(
        profile_title(provider),
        [
            field(
                NAME,
                f"Your name at {provider.label}",
                text_element(filled.name, most=LONGEST_NAME, placeholder="octo"),
                hint=f"The name that {provider.label} shows with your builds; only one person here can have it.",
            ),
            field(TOLD, "What I tell you", told | {"initial_options": chosen} if chosen else told),
        ],
        callback_id=action_ids.SETTINGS_MODAL,
        private_metadata=origin.encode(),
        submit="Save",
        close="Cancel",
    )


def read_profile(values: Mapping[str, Any]) -> ProfileForm:
    """What was filled in. `values` is the view's state as Slack sends it."""
    filled = FormValues(values)
    chosen = filled.several(TOLD)
    name = filled.text(NAME).strip().removeprefix("@")
    return ProfileForm(name=name or None, **{key: key in chosen for key in _TOLD})


def _option(key: str) -> Block:
    text, description = _TOLD[key]
    return option(text, key, description)
