"""Commands for teams: list and show. People without their own account are in none."""

from __future__ import annotations

from providers.buildio.api.access import own_client
from providers.buildio.apps.commands import find_team
from providers.buildio.commands import ListTeams, ShowTeam
from providers.buildio.teams import messages
from services.request.context import Reply, RequestContext


async def list_teams(_ask: ListTeams, context: RequestContext) -> Reply:
    """Reply with the person's teams. Raises ProviderError."""
    return Reply(messages.team_list(await own_client(context).teams()), title="Teams")


async def show(command: ShowTeam, context: RequestContext) -> Reply:
    """Reply with one team, by name or ID. Raises UserError, ProviderError."""
    team = await find_team(command.team, context)
    return Reply(messages.team_card(await own_client(context).team(team.id)), title="Team")
