"""The button that opens a user's profile."""

from __future__ import annotations

from collections.abc import Mapping

from messages.kit import action_ids
from services.features.profile.form import open_profile
from services.request.button_press import ButtonHandler, ButtonPress


async def _open_profile(press: ButtonPress) -> None:
    registry = press.context.services.registry
    # Users are known by their name where Home lists their builds.
    spec = next((spec for spec in registry if spec.lists_builds), registry.first)
    await open_profile(press.context, spec.provider)


FORM_BUTTONS: Mapping[str, ButtonHandler] = {action_ids.SETTINGS: _open_profile}
