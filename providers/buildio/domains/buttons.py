"""Buttons about domains: in their list, on an app's card, in the confirmation before one is removed."""

from __future__ import annotations

from collections.abc import Mapping

from providers.buildio import action_ids
from providers.buildio.domains import commands, forms
from providers.buildio.shared.button_values import DomainButton
from providers.buildio.shared.lookup import find_button_app, on_app, refresh_with
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply


async def _remove(press: ButtonPress) -> Reply | None:
    return await commands.remove_one(
        await find_button_app(press), DomainButton.decode(press.value).domain, press.context
    )


async def _replace_certificate(press: ButtonPress) -> None:
    button = DomainButton.decode(press.value)
    await forms.open_certificate(await find_button_app(press), button.domain, press.context)


BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.DOMAINS: on_app(commands.reply_with_list),
    action_ids.DOMAINS_REFRESH: refresh_with(commands.build_list),
    action_ids.DOMAIN_REMOVE: _remove,
}
FORM_BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.DOMAIN_ADD: on_app(forms.open_add),
    action_ids.DOMAIN_CERTIFICATE: _replace_certificate,
    action_ids.DOMAINS_CLEAR: on_app(forms.open_clear),
}
