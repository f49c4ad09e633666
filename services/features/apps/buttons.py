"""The button that opens the choice of a channel's app."""

from __future__ import annotations

from collections.abc import Mapping

from messages.accounts import read_provider
from messages.kit import action_ids
from services.features.apps.form import open_choose_app
from services.request.button_press import ButtonHandler, ButtonPress


async def _choose_app(press: ButtonPress) -> None:
    await open_choose_app(press.context, read_provider(press.value))


FORM_BUTTONS: Mapping[str, ButtonHandler] = {action_ids.CHOOSE_APP: _choose_app}
