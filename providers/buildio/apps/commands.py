"""Build.io's apps: listed, and one shown."""

from __future__ import annotations

from domain.build import App
from domain.commands.shared_commands import ListApps
from domain.errors import Forbidden, NotFound, RequestRejected
from domain.message import Message
from domain.provider import Provider
from providers.buildio.api.access import own_client, reading_client
from providers.buildio.api.models import Team
from providers.buildio.apps import messages
from providers.buildio.commands import ShowApp
from providers.buildio.shared import error_texts
from services.features.apps.commands import PAGE, explain_limit
from services.request.context import Reply, RequestContext
from services.request.finder import UserError, find_app

TITLE = "App"


async def list_apps(command: ListApps, context: RequestContext) -> Reply:
    """A page of the apps that the person may see, or of a team's. Raises UserError, ProviderError."""
    team = await find_team(command.team, context) if command.team is not None else None
    visible = await context.visible_apps(Provider.BUILDIO).slugs()
    asked = await reading_client(context).apps(team=team.id if team is not None else None)
    apps = sorted(
        (one for one in asked if visible is None or one.id in visible), key=lambda one: one.name.casefold()
    )
    start = (command.page - 1) * PAGE
    said = messages.app_list(
        apps[start : start + PAGE],
        total=len(apps),
        page=command.page,
        size=PAGE,
        team=team.name if team is not None else None,
    )
    return Reply(await explain_limit(said, context, Provider.BUILDIO, empty=not apps), title="Apps")


async def show(command: ShowApp, context: RequestContext) -> Reply:
    """One app as it stands now."""
    app = await find_app(context, command.app, Provider.BUILDIO)
    return Reply(await card(app, context), title=TITLE)


async def card(app: App, context: RequestContext) -> Message:
    """The app's card. Raises ProviderError."""
    shown = await reading_client(context).app(app.slug)
    try:
        dynos = await reading_client(context).dynos(app.slug)
    except (Forbidden, NotFound, RequestRejected):
        dynos = None  # the app can be seen, and its processes can't
    return messages.app_card(shown, dynos)


async def find_team(words: str, context: RequestContext) -> Team:
    """The person's own team of that name or id. Raises UserError, ProviderError."""
    teams = await own_client(context).teams()
    for one in teams:
        if words.casefold() in (one.id.casefold(), one.name.casefold()):
            return one
    raise UserError(error_texts.unknown_thing("team", words, [one.name for one in teams], lists="teams"))
