"""The command that creates an app."""

from __future__ import annotations

from providers.buildio.apps.create_form import CreateAppForm, CreateForm
from providers.buildio.apps.create_syntax import CreateApp
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext


async def create(command: CreateApp, context: RequestContext) -> Reply | None:
    """Create the app of a command; without a name, open the form.

    Raises PermissionDenied, UserError, ProviderError.
    """
    return await CreateAppForm.create(CreateForm(**command.model_dump()), context)


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
