"""The forms that create and delete a namespace."""

from __future__ import annotations

from dataclasses import dataclass

from domain.message import Block
from messages import notices
from messages.kit.view_metadata import ViewMetadata
from providers.buildio import action_ids
from providers.buildio.api.access import own_client
from providers.buildio.api.models import Namespace
from providers.buildio.apps import create_form
from providers.buildio.apps.create_form import NAME, NamespaceForm, resolve_team
from providers.buildio.namespaces import messages
from providers.buildio.namespaces.actions import CreateNamespaceAction, DeleteNamespaceAction
from providers.buildio.namespaces.messages import DeleteForm, NamespaceOrigin
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.form_defaults import form_metadata
from providers.buildio.shared.name_lookup import find_by_name
from providers.buildio.shared.type_to_confirm import TYPED_NAME
from services.actions import run
from services.request.context import Reply, RequestContext
from services.request.forms import FieldError, Form, open_in_time


@dataclass
class CreateNamespaceForm(Form[ViewMetadata, NamespaceForm, Reply | None]):
    """Creates a namespace."""

    callback_id = action_ids.NAMESPACE_MODAL
    title = "Create a namespace"
    error_field = NAME
    read_origin = ViewMetadata.read
    read_input = staticmethod(create_form.read_namespace)

    @property
    def progress(self) -> str:
        """The sentence that names the namespace."""
        return f"Creating {self.filled.name}…"

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with its input."""
        return create_form.namespace_modal(self.filled, origin=self.origin, problem=problem)

    async def submit(self) -> Reply | None:
        """Create the namespace. Raises PermissionDenied, UserError, ProviderError."""
        form = await resolve_team(self.filled, self.context)
        action = CreateNamespaceAction(
            name=form.name or "",
            team=form.team,
            team_title=form.team_title,
            description=form.description,
            region=form.region,
        )
        return (await run.run_action(action, self.context)).answer


@dataclass
class DeleteNamespaceForm(Form[NamespaceOrigin, DeleteForm, Reply | None]):
    """Deletes a namespace if its name was typed."""

    callback_id = action_ids.DELETE_NAMESPACE_MODAL
    title = "Delete a namespace"
    error_field = TYPED_NAME
    progress = "Deleting…"
    read_origin = NamespaceOrigin.read
    read_input = staticmethod(messages.read_delete_namespace)

    def render(self, problem: str | None = None) -> Block:
        """Draw the form; the name has to be typed again."""
        return messages.delete_namespace_modal(origin=self.origin, problem=problem)

    async def submit(self) -> Reply | None:
        """Delete the namespace. Raises FieldError, PermissionDenied, UserError, ProviderError."""
        name = self.origin.name or self.filled.namespace
        namespace = await find_namespace(name, self.context) if name else None
        for field, problem in self.filled.problems(namespace.name if namespace is not None else "").items():
            raise FieldError(field, problem)
        return (await run.run_action(DeleteNamespaceAction(name=self.filled.typed), self.context)).answer


async def open_create(form: NamespaceForm, context: RequestContext) -> Reply | None:
    """Open the form, or reply with a button if none can be opened. Raises UserError, ProviderError, SlackCallFailed."""
    if not context.trigger_id:
        prompt = "What is the namespace called?"
        return Reply(
            notices.open_form_prompt(prompt, "Create a namespace…", action_ids.NAMESPACE_CREATE, "create")
        )

    async def load() -> CreateNamespaceForm:
        return CreateNamespaceForm(context, form_metadata(context), await resolve_team(form, context))

    await open_in_time(load(), context, CreateNamespaceForm.title)
    return None


async def open_delete(name: str | None, context: RequestContext) -> None:
    """Open the confirmation before a namespace is deleted. Raises UserError, ProviderError, SlackCallFailed."""

    async def load() -> DeleteNamespaceForm:
        known = (await find_namespace(name, context)).name if name is not None else ""
        origin = NamespaceOrigin(channel=context.channel, provider=BUILDIO, name=known)
        return DeleteNamespaceForm(context, origin, DeleteForm())

    await open_in_time(load(), context, DeleteNamespaceForm.title)


async def find_namespace(name: str, context: RequestContext) -> Namespace:
    """Find a namespace by name or ID. Raises UserError, ProviderError."""
    client = own_client(context)
    return await find_by_name(client.namespace, client.namespaces, name, what="namespace", lists="namespaces")
