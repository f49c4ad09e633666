"""The buttons that open the forms about namespaces."""

from __future__ import annotations

from collections.abc import Mapping

from messages.kit.button_values import InvalidButtonValue
from providers.buildio import action_ids
from providers.buildio.apps.create_form import NamespaceForm
from providers.buildio.namespaces.forms import CreateNamespaceForm, open_delete
from providers.buildio.shared.button_values import ResourceButton
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply


async def _create(press: ButtonPress) -> Reply | None:
    return await CreateNamespaceForm.create(NamespaceForm(), press.context)


async def _delete(press: ButtonPress) -> Reply | None:
    try:
        name: str | None = ResourceButton.decode(press.value).name
    except InvalidButtonValue:
        name = None  # the form asks for it
    return await open_delete(name, press.context)


FORM_BUTTONS: Mapping[str, ButtonHandler] = {
    action_ids.NAMESPACE_CREATE: _create,
    action_ids.NAMESPACE_DELETE: _delete,
}
