"""Commands that list apps and show one."""

from __future__ import annotations

from domain.build import App
from domain.commands.command import AppArgument, Command
from domain.commands.errors import UserError
from domain.commands.shared_commands import ListApps
from domain.message import Message
from domain.provider_errors import Forbidden, NotFound, RequestRejected
from providers.buildio.api.access import own_client, reading_client
from providers.buildio.api.models import Team
from providers.buildio.apps import messages
from providers.buildio.provider import BUILDIO
from providers.buildio.shared import lookup
from services.features.apps import PAGE, explain_limit
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext
from services.request.finder import find_app


class ShowApp(Command):
    """Show one app: its deployment, its processes, its address."""

    app: AppArgument = None


async def list_apps(command: ListApps, context: RequestContext) -> Reply:
    """Reply with a page of the apps that the person may see, or of a team's apps. Raises UserError, ProviderError."""
    team = await find_team(command.team, context) if command.team is not None else None
    visible = await context.visible_apps(BUILDIO).slugs()
    found = await reading_client(context).apps(team=team.id if team is not None else None)
    apps = sorted(
        (app for app in found if visible is None or app.id in visible), key=lambda app: app.name.casefold()
    )
    start = (command.page - 1) * PAGE
    message = messages.app_list(
        apps[start : start + PAGE],
        total=len(apps),
        page=command.page,
        size=PAGE,
        team=team.name if team is not None else None,
    )
    return Reply(await explain_limit(message, context, BUILDIO, empty=not apps), title="Apps")


async def show(command: ShowApp, context: RequestContext) -> Reply:
    """Reply with the app's current card."""
    return await reply_with_card(await find_app(context, command.app, BUILDIO), context)


async def reply_with_card(app: App, context: RequestContext) -> Reply:
    """Reply with the app's current card. Raises ProviderError."""
    return Reply(await card(app, context), title="App")


async def card(app: App, context: RequestContext) -> Message:
    """Build the app's card. Raises ProviderError."""
    details = await reading_client(context).app(app.slug)
    try:
        dynos = await reading_client(context).dynos(app.slug)
    except (Forbidden, NotFound, RequestRejected):
        dynos = None  # the token can see the app but not its processes
    return messages.app_card(details, dynos)


async def find_team(name: str, context: RequestContext) -> Team:
    """Find one of the person's own teams, by name or ID. Raises UserError, ProviderError."""
    teams = await own_client(context).teams()
    for team in teams:
        if name.casefold() in (team.id.casefold(), team.name.casefold()):
            return team
    raise UserError(lookup.unknown_thing("team", name, [other.name for other in teams], lists="teams"))


LIST_APPS = CommandSpec(
    ListApps,
    "apps",
    "List your apps.",
    ("apps", "apps team:acme", "apps page:2"),
    handler=list_apps,
    read_only=True,
    usage="apps [team:…]",
    aliases=("list",),
    options=("team",),
)
SHOW_APP = CommandSpec(
    ShowApp,
    "app",
    "Show one app: its deployment, processes and address, with buttons.",
    ("app shop", "app"),
    handler=show,
    read_only=True,
    aliases=("show", "info", "status"),
    open_to_external_users=True,
)
