"""Teams: listed, and one. Who has no account of their own belongs to none."""

from __future__ import annotations

from providers.buildio.apps.commands import find_team
from providers.buildio.commands import ListTeams, ShowTeam
from providers.buildio.teams import messages
from services.request.context import Answer, Caller


async def list_teams(_ask: ListTeams, caller: Caller) -> Answer:
    """The teams that the person belongs to. Raises ProviderError."""
    return Answer(messages.team_list(await caller.own_buildio.teams()), title="Teams")


async def show(ask: ShowTeam, caller: Caller) -> Answer:
    """One team, by its name or id. Raises NotNamed, ProviderError."""
    found = await find_team(ask.team, caller)
    return Answer(messages.team_card(await caller.own_buildio.team(found.id)), title="Team")
