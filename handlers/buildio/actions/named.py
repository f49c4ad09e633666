"""What a pressed button of Build.io's is about."""

from __future__ import annotations

from bot.build import App
from bot.messages.buildio import AppButton
from bot.provider import Provider
from handlers.actions.press import Press
from handlers.finding import app_by_slug


async def app_of(press: Press) -> App:
    """The app that the button names. Raises NotAButton, ProviderError."""
    return await app_by_slug(press.caller, AppButton.decode(press.value).app, Provider.BUILDIO)
