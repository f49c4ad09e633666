"""Commands for namespaces: list, show, create, and delete after the name was typed."""

from __future__ import annotations

from typing import Annotated

from domain.commands.command import Command, Word, WordArgument
from providers.buildio.api.access import own_client
from providers.buildio.apps.create import CreateNamespace, NamespaceForm
from providers.buildio.namespaces import messages as namespace_messages
from providers.buildio.namespaces.forms import CreateNamespaceForm, find_namespace, open_delete
from providers.buildio.shared.lookup import NAMES
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext


class ListNamespaces(Command):
    """List the namespaces."""


class ShowNamespace(Command):
    """Show one namespace, by its name or id."""

    name: Annotated[str, Word(question="Which namespace?")]


class DeleteNamespace(Command):
    """Delete a namespace; its name has to be typed in a form first."""

    name: WordArgument = None


async def list_namespaces(_ask: ListNamespaces, context: RequestContext) -> Reply:
    """Reply with the namespaces that the person's own token sees. Raises ProviderError."""
    return Reply(
        namespace_messages.namespace_list(await own_client(context).namespaces()), title="Namespaces"
    )


async def show(command: ShowNamespace, context: RequestContext) -> Reply:
    """Reply with one namespace. Raises UserError, ProviderError."""
    return Reply(
        namespace_messages.namespace_card(await find_namespace(command.name, context)), title="Namespace"
    )


async def create(command: CreateNamespace, context: RequestContext) -> Reply | None:
    """Create the namespace of a command; without a name, open the form. Raises PermissionDenied, UserError."""
    return await CreateNamespaceForm.create(NamespaceForm(**command.model_dump()), context)


async def delete(command: DeleteNamespace, context: RequestContext) -> Reply | None:
    """Open the form in which the name must be typed to delete. Raises UserError, ProviderError, SlackCallFailed."""
    return await open_delete(command.name, context)


COMMANDS = (
    CommandSpec(
        ListNamespaces, "namespaces", "List your namespaces.", read_only=True, handler=list_namespaces
    ),
    CommandSpec(
        ShowNamespace,
        "namespace",
        "Show one namespace.",
        ("namespace payments",),
        read_only=True,
        handler=show,
        notes=(NAMES,),
    ),
    CommandSpec(
        CreateNamespace,
        "namespaces create",
        "Create a namespace. Without a name, a form opens.",
        ('namespaces create billing description:"All that charges cards"', "namespaces create"),
        handler=create,
    ),
    CommandSpec(
        DeleteNamespace,
        "namespaces delete",
        "Delete a namespace, after you type its name to confirm.",
        ("namespaces delete payments",),
        handler=delete,
    ),
)
