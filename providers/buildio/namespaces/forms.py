"""The forms that create and delete a namespace, and the buttons that open them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from domain.message import Block
from messages import notices
from messages.kit.blocks import section
from messages.kit.button_values import InvalidButtonValue
from messages.kit.mrkdwn import code
from messages.kit.views import FormValues, ViewMetadata, field, text_element
from providers.buildio import action_ids
from providers.buildio.api.access import own_client
from providers.buildio.api.models import Namespace
from providers.buildio.apps.create import DESCRIPTION, CreateResourceForm, NamespaceForm, read_namespace
from providers.buildio.namespaces.actions import CreateNamespaceAction, DeleteNamespaceAction
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.button_values import ResourceButton
from providers.buildio.shared.lookup import find_by_name
from providers.buildio.shared.type_to_confirm import TYPED_NAME, ConfirmationName, read_typed_name, typed_name
from services.actions import run
from services.request.button_press import ButtonHandler, ButtonPress
from services.request.context import Reply, RequestContext
from services.request.forms import FieldError, Form, open_or_offer

NAMESPACE = "namespace"


class NamespaceOrigin(ViewMetadata):
    """Metadata with the namespace, if it is known."""

    name: Annotated[str, Field(max_length=200)] = ""


class DeleteForm(ConfirmationName):
    """The input: the namespace, if it was not known, and its name again."""

    namespace: str = ""

    def require_name(self, name: str) -> None:
        """Check the input; `name` is the name of the namespace that was found. Raises FieldError."""
        if not name:
            raise FieldError(NAMESPACE, "Enter the namespace.")
        super().require_name(name)


def read_delete_namespace(values: FormValues) -> DeleteForm:
    """Read the input from `values`, the view's state as Slack sends it."""
    namespace = values.text(NAMESPACE).strip()
    return DeleteForm(typed=read_typed_name(values).typed, namespace=namespace)


@dataclass
class CreateNamespaceForm(CreateResourceForm[NamespaceForm]):
    """Creates a namespace."""

    callback_id = action_ids.NAMESPACE_MODAL
    button_id = action_ids.NAMESPACE_CREATE
    title = "Create a namespace"
    prompt = "Fill in a form to create a namespace."
    example = "payments"
    read_input = staticmethod(read_namespace)

    def more_fields(self) -> list[Block]:
        """Return the field for the description."""
        element = text_element(self.filled.description, most=300, placeholder="What it's for")
        return [field(DESCRIPTION, "Description", element)]

    def action(self, form: NamespaceForm) -> CreateNamespaceAction:
        """Return the action that creates the namespace."""
        return CreateNamespaceAction(**form.model_dump())


@dataclass
class DeleteNamespaceForm(Form[NamespaceOrigin, DeleteForm, Reply | None]):
    """Deletes a namespace if its name was typed."""

    callback_id = action_ids.DELETE_NAMESPACE_MODAL
    title = "Delete a namespace"
    error_field = TYPED_NAME
    progress = "Deleting…"
    read_origin = NamespaceOrigin.read
    read_input = staticmethod(read_delete_namespace)

    def render(self, problem: str | None = None) -> Block:
        """Draw the form: the name must be typed, also again; if no namespace is known, the form asks for it."""
        if name := self.origin.name:
            blocks = [
                section(
                    f"This deletes the namespace {code(name, 200)} and everything in it. It can't be undone."
                ),
                typed_name("Type its name to confirm"),
            ]
        else:
            blocks = [
                section("This deletes the namespace and everything in it. It can't be undone."),
                field(NAMESPACE, "Namespace", text_element(None, most=200), optional=False),
                typed_name("Type its name again to confirm"),
            ]
        return self.draw(*blocks, submit="Delete", problem=problem)

    async def submit(self) -> Reply | None:
        """Delete the namespace. Raises FieldError, PermissionDenied, UserError, ProviderError."""
        name = self.origin.name or self.filled.namespace
        self.filled.require_name((await find_namespace(name, self.context)).name if name else "")
        return (await run.run_action(DeleteNamespaceAction(name=self.filled.typed), self.context)).answer


async def open_delete(name: str | None, context: RequestContext) -> Reply | None:
    """Open the confirmation before a namespace is deleted; without a form, reply with a button for it.

    Raises UserError, ProviderError, SlackCallFailed.
    """

    async def load() -> DeleteNamespaceForm:
        known = (await find_namespace(name, context)).name if name is not None else ""
        origin = NamespaceOrigin(channel=context.channel, provider=BUILDIO, name=known)
        return DeleteNamespaceForm(context, origin, DeleteForm())

    value = ResourceButton.fitting(name=name) if name else None
    prompt = "Type the namespace's name in a form to delete it."
    button = notices.open_form_prompt(prompt, "Delete…", action_ids.NAMESPACE_DELETE, value or "which")
    return await open_or_offer(load, context, DeleteNamespaceForm.title, Reply(button))


async def find_namespace(name: str, context: RequestContext) -> Namespace:
    """Find a namespace by name or ID. Raises UserError, ProviderError."""
    client = own_client(context)
    return await find_by_name(client.namespace, client.namespaces, name, what="namespace", lists="namespaces")


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
