"""The build that a button names."""

from __future__ import annotations

from domain.build import App, Build
from messages.kit.button_values import BuildButton
from providers.bitrise.provider import BITRISE
from services.request.button_press import ButtonPress
from services.request.finder import build_by_slugs


async def find_pressed_build(press: ButtonPress) -> tuple[App, Build]:
    """Return the build that a pressed button names, and its app. Raises InvalidButtonValue, ProviderError."""
    button = BuildButton.decode(press.value)
    return await build_by_slugs(press.context, button.app, button.build, BITRISE)
