"""Lookup of the app that a pressed button names."""

from __future__ import annotations

from domain.build import App
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.button_values import BuildioAppButton
from services.request.button_press import ButtonPress
from services.request.finder import app_by_slug


async def find_button_app(press: ButtonPress) -> App:
    """Find the app that the button names. Raises InvalidButtonValue, ProviderError."""
    return await app_by_slug(press.context, BuildioAppButton.decode(press.value).app, BUILDIO)
