"""Commands for namespaces: list, show, create, and delete after the name was typed."""

from __future__ import annotations

from typing import Annotated

from domain.commands.command import Command, Word, WordArgument
from domain.message import Block
from messages import notices
from providers.buildio import action_ids
from providers.buildio.api.access import own_client
from providers.buildio.api.models import Namespace
from providers.buildio.apps import create_form
from providers.buildio.apps.create_form import NamespaceForm
from providers.buildio.apps.create_syntax import CreateNamespace
from providers.buildio.namespaces import messages as namespace_messages
from providers.buildio.namespaces.actions import CreateNamespaceAction, DeleteNamespaceAction
from providers.buildio.namespaces.messages import DeleteForm, NamespaceOrigin
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.button_values import ResourceButton
from providers.buildio.shared.form_defaults import form_metadata
from providers.buildio.shared.name_lookup import NAMES, find_by_name
from providers.buildio.teams.team_owner import resolve_team
from services.actions import run
from services.command_spec import CommandSpec
from services.request.context import Reply, RequestContext
from services.request.errors import UserError
from services.request.forms import FieldError
from services.request.modals import open_in_time

DELETE = "Delete a namespace"


class ListNamespaces(Command):
    """List the namespaces."""


class ShowNamespace(Command):
    """Show one namespace, by its name or id."""

    name: Annotated[str, Word(question="Which namespace? Give its name.")]


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
    return Reply(namespace_messages.namespace_card(await find(command.name, context)), title="Namespace")


async def find(name: str, context: RequestContext) -> Namespace:
    """Find a namespace by name or ID. Raises UserError, ProviderError."""
    client = own_client(context)
    return await find_by_name(client.namespace, client.namespaces, name, what="namespace", lists="namespaces")


async def create(command: CreateNamespace, context: RequestContext) -> Reply | None:
    """Create the namespace of a command; without a name, open the form. Raises the errors of `make`."""
    form = NamespaceForm(**command.model_dump())
    if command.name is None:
        return await open_create(form, context)
    for problem in form.problems.values():
        raise UserError(problem)
    return await make(command, context)


async def make(command: CreateNamespace, context: RequestContext) -> Reply | None:
    """Create the namespace. Raises PermissionDenied, UserError, ProviderError."""
    form = await resolve_team(NamespaceForm(**command.model_dump()), context)
    action = CreateNamespaceAction(
        name=form.name or "",
        team=form.team,
        team_title=form.team_title,
        description=form.description,
        region=form.region,
    )
    return (await run.run_action(action, context)).answer


async def open_create(form: NamespaceForm, context: RequestContext) -> Reply | None:
    """Open the form, or reply with a button if none can be opened. Raises UserError, ProviderError, SlackCallFailed."""
    if not context.trigger_id:
        prompt = "What is the namespace called?"
        return Reply(
            notices.open_form_prompt(prompt, "Create a namespace…", action_ids.NAMESPACE_CREATE, "create")
        )
    await open_in_time(_form(form, context), context, "Create a namespace")
    return None


async def delete(command: DeleteNamespace, context: RequestContext) -> Reply | None:
    """Open the form in which the name must be typed to delete. Raises UserError, ProviderError, SlackCallFailed."""
    if not context.trigger_id:
        value = ResourceButton.fitting(name=command.name) if command.name else None
        prompt = f"{DELETE}: its name is typed in a form."
        return Reply(
            notices.open_form_prompt(prompt, "Delete…", action_ids.NAMESPACE_DELETE, value or "which")
        )
    await open_delete(command.name, context)
    return None


async def open_delete(name: str | None, context: RequestContext) -> None:
    """Open the confirmation before a namespace is deleted. Raises UserError, ProviderError, SlackCallFailed."""
    await open_in_time(_confirmation(name, context), context, DELETE)


async def delete_if_confirmed(
    form: DeleteForm, origin: NamespaceOrigin, context: RequestContext
) -> Reply | None:
    """Delete the namespace if its name was typed. Raises FieldError, PermissionDenied, UserError, ProviderError."""
    name = origin.name or form.namespace
    namespace = await find(name, context) if name else None
    for field, problem in form.problems(namespace.name if namespace is not None else "").items():
        raise FieldError(field, problem)
    return (await run.run_action(DeleteNamespaceAction(name=form.typed), context)).answer


async def _form(form: NamespaceForm, context: RequestContext) -> Block:
    return create_form.namespace_modal(await resolve_team(form, context), origin=form_metadata(context))


async def _confirmation(name: str | None, context: RequestContext) -> Block:
    known = (await find(name, context)).name if name is not None else ""
    origin = NamespaceOrigin(channel=context.channel, provider=BUILDIO, name=known)
    return namespace_messages.delete_namespace_modal(origin=origin)


COMMANDS = (
    CommandSpec(ListNamespaces, "namespaces", "The namespaces I can see.", handler=list_namespaces),
    CommandSpec(
        ShowNamespace, "namespace", "One namespace.", ("namespace payments",), handler=show, notes=(NAMES,)
    ),
    CommandSpec(
        CreateNamespace,
        "namespaces create",
        "Make a namespace; without a name, by filling in a form.",
        ('namespaces create billing description:"All that charges cards"', "namespaces create"),
        handler=create,
    ),
    CommandSpec(
        DeleteNamespace,
        "namespaces delete",
        "Delete a namespace, once you have typed its name in a form.",
        ("namespaces delete payments",),
        handler=delete,
    ),
)
