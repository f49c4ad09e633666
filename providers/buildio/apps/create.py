"""The command that creates an app."""

from __future__ import annotations

from providers.buildio.apps.create_form import CreateAppForm, CreateForm, open_create
from providers.buildio.apps.create_syntax import CreateApp
from providers.buildio.shared.form_defaults import form_metadata
from services.command_spec import CommandSpec
from services.request.context import Reply, RequestContext


async def create(command: CreateApp, context: RequestContext) -> Reply | None:
    """Create the app of a command; without a name, open the form.

    Raises PermissionDenied, UserError, ProviderError.
    """
    form = CreateForm(**command.model_dump())
    if command.name is None:
        return await open_create(form, context)
    form.check()
    return await CreateAppForm(context, form_metadata(context), form).submit()


COMMANDS = (
    CommandSpec(
        CreateApp,
        "create",
        "Make an app; without a name, by filling in a form.",
        ("create shop-demo region:us-east-1", "create"),
        handler=create,
        aliases=("new",),
    ),
)
