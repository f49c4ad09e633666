"""Buttons that name an app: its lookup, and handlers that need nothing else of the button."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from domain.build import App
from domain.message import Message
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.button_values import BuildioAppButton
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply, RequestContext
from services.request.finder import app_by_slug


async def find_button_app(press: ButtonPress) -> App:
    """Find the app that the button names. Raises InvalidButtonValue, ProviderError."""
    return await app_by_slug(press.context, BuildioAppButton.decode(press.value).app, BUILDIO)


def on_app(handle: Callable[[App, RequestContext], Awaitable[Reply | None]]) -> ButtonHandler:
    """Return the handler of a button that does something with its app."""

    async def handle_press(press: ButtonPress) -> Reply | None:
        return await handle(await find_button_app(press), press.context)

    return handle_press


def refresh_with(build: Callable[[App, RequestContext], Awaitable[Message]]) -> ButtonHandler:
    """Return the handler of a button that builds its message again."""

    async def handle_press(press: ButtonPress) -> None:
        await press.responder.replace_original(await build(await find_button_app(press), press.context))

    return handle_press
