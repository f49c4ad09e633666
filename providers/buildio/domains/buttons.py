"""Buttons about domains: in their list, on an app's card, in the confirmation before one is removed."""

from __future__ import annotations

from collections.abc import Mapping

from providers.buildio import action_ids
from providers.buildio.domains import commands, forms
from providers.buildio.shared.button_values import DomainButton
from providers.buildio.shared.named_buttons import find_button_app
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply


async def _list(press: ButtonPress) -> Reply:
    return Reply(await commands.build_list(await find_button_app(press), press.context), title=forms.TITLE)


async def _refresh(press: ButtonPress) -> None:
    await press.responder.replace_original(
        await commands.build_list(await find_button_app(press), press.context)
    )


async def _remove(press: ButtonPress) -> Reply | None:
    return await commands.remove_one(
        await find_button_app(press), DomainButton.decode(press.value).domain, press.context
    )


async def _add(press: ButtonPress) -> Reply | None:
    return await forms.open_add(await find_button_app(press), press.context)


async def _certificate(press: ButtonPress) -> None:
    button = DomainButton.decode(press.value)
    await forms.open_certificate(await find_button_app(press), button.domain, press.context)


async def _clear(press: ButtonPress) -> None:
    await forms.open_clear(await find_button_app(press), press.context)


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.DOMAINS: _list,
    action_ids.DOMAINS_REFRESH: _refresh,
    action_ids.DOMAIN_REMOVE: _remove,
}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.DOMAIN_ADD: _add,
    action_ids.DOMAIN_CERTIFICATE: _certificate,
    action_ids.DOMAINS_CLEAR: _clear,
}
