"""Build.io's apps: listed, and one shown."""

from __future__ import annotations

from bot.build import App
from bot.buildio import BuildioApp, Team
from bot.commands import ListApps
from bot.commands.buildio import ShowApp
from bot.http import NoAccess, NotFound, Refused
from bot.messages import Message
from bot.messages.buildio.app import app_card
from bot.provider import Provider
from handlers.answers.apps import page_of
from handlers.caller import Answer, Caller
from handlers.finding import NotNamed, find_app

MOST_TEAMS = 20


async def list_apps(ask: ListApps, caller: Caller) -> Answer:
    """A page of the apps that the person may see, or of a team's. Raises NotNamed, ProviderError."""
    team = await find_team(ask.team, caller) if ask.team is not None else None
    visible = {app.slug: app for app in await caller.apps_of(Provider.BUILDIO).all()}
    asked = await caller.buildio.apps(team=team.id if team is not None else None)
    found = {one.id: one for one in asked if one.id in visible}
    return page_of(
        [visible[slug] for slug in found],
        Provider.BUILDIO,
        page=ask.page,
        team=team.id if team is not None else None,
        notes={slug: _note(one) for slug, one in found.items()},
    )


async def show(ask: ShowApp, caller: Caller) -> Answer:
    """One app as it stands now."""
    app = await find_app(caller, ask.app, Provider.BUILDIO)
    return Answer(await card(app, caller), title="App")


async def card(app: App, caller: Caller) -> Message:
    """The app's card. Raises ProviderError."""
    shown = await caller.buildio.app(app.slug)
    try:
        dynos = await caller.buildio.dynos(app.slug)
    except (NoAccess, NotFound, Refused):
        dynos = None
    return app_card(app, shown, dynos)


async def find_team(words: str, caller: Caller) -> Team:
    """The person's own team of that name or id. Raises NotNamed, ProviderError."""
    teams = await caller.own_buildio.teams()
    for one in teams:
        if words.casefold() in (one.id.casefold(), one.name.casefold()):
            return one
    there = ", ".join(one.name for one in teams[:MOST_TEAMS])
    are = f"Yours are {there}." if there else "You are in none."
    raise NotNamed(f"I don't know a team called {words[:80]}. {are}")


def _note(one: BuildioApp) -> str:
    return " · ".join(part for part in (one.region, one.team) if part)
