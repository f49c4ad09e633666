"""Buttons that name a build: its lookup, and handlers that need nothing else of the button."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from domain.build import App, Build
from messages.kit.button_values import BuildButton
from providers.bitrise.provider import BITRISE
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply, RequestContext
from services.request.finder import build_by_slugs


async def find_pressed_build(press: ButtonPress) -> tuple[App, Build]:
    """Return the build that a pressed button names, and its app. Raises InvalidButtonValue, ProviderError."""
    button = BuildButton.decode(press.value)
    return await build_by_slugs(press.context, button.app, button.build, BITRISE)


def on_build(handle: Callable[[App, Build, RequestContext], Awaitable[Reply | None]]) -> ButtonHandler:
    """Return the handler of a button that does something with its build."""

    async def handle_press(press: ButtonPress) -> Reply | None:
        return await handle(*await find_pressed_build(press), press.context)

    return handle_press
