"""Creation of apps, by command or form."""

from __future__ import annotations

from domain.message import Block
from messages import notices
from providers.buildio import action_ids
from providers.buildio.apps import create_form
from providers.buildio.apps.actions import CreateAppAction
from providers.buildio.apps.create_form import CreateForm
from providers.buildio.apps.create_syntax import CreateApp
from providers.buildio.shared.form_defaults import form_metadata
from providers.buildio.teams.team_owner import resolve_team
from services.actions import run
from services.command_spec import CommandSpec
from services.request.context import Reply, RequestContext
from services.request.errors import UserError
from services.request.modals import open_in_time


async def create(command: CreateApp, context: RequestContext) -> Reply | None:
    """Create the app of a command; without a name, open the form.

    Raises PermissionDenied, UserError, ProviderError.
    """
    form = CreateForm(**command.model_dump())
    if command.name is None:
        return await open_form(form, context)
    for problem in form.problems.values():
        raise UserError(problem)
    return await make(command, context)


async def make(command: CreateApp, context: RequestContext) -> Reply | None:
    """Create the app. Raises PermissionDenied, UserError, ProviderError."""
    form = await resolve_team(CreateForm(**command.model_dump()), context)
    action = CreateAppAction(
        name=form.name or "", team=form.team, team_title=form.team_title, region=form.region
    )
    return (await run.run_action(action, context)).answer


async def open_form(form: CreateForm, context: RequestContext) -> Reply | None:
    """Open the form, or reply with a button if none can be opened. Raises UserError, ProviderError, SlackCallFailed."""
    if not context.trigger_id:
        prompt = "What is the app called?"
        return Reply(notices.open_form_prompt(prompt, "Create an app…", action_ids.CREATE, "create"))
    await open_in_time(_form(form, context), context, "Create an app")
    return None


async def _form(form: CreateForm, context: RequestContext) -> Block:
    return create_form.create_modal(await resolve_team(form, context), origin=form_metadata(context))


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
