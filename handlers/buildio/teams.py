"""Teams: listed, and one. Who has no account of their own belongs to none."""

from __future__ import annotations

from bot.commands.buildio import ListTeams, ShowTeam
from bot.messages import buildio
from handlers.buildio.apps import find_team
from handlers.caller import Answer, Caller


async def list_teams(_ask: ListTeams, caller: Caller) -> Answer:
    """The teams that the person belongs to. Raises ProviderError."""
    return Answer(buildio.team_list(await caller.own_buildio.teams()), title="Teams")


async def show(ask: ShowTeam, caller: Caller) -> Answer:
    """One team, by its name or id. Raises NotNamed, ProviderError."""
    found = await find_team(ask.team, caller)
    return Answer(buildio.team_card(await caller.own_buildio.team(found.id)), title="Team")
