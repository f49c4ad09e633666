"""Teams: listed, and one. Who has no account of their own belongs to none."""

from __future__ import annotations

from providers.buildio.api.access import own_client
from providers.buildio.apps.commands import find_team
from providers.buildio.commands import ListTeams, ShowTeam
from providers.buildio.teams import messages
from services.request.context import Reply, RequestContext


async def list_teams(_ask: ListTeams, context: RequestContext) -> Reply:
    """The teams that the person belongs to. Raises ProviderError."""
    return Reply(messages.team_list(await own_client(context).teams()), title="Teams")


async def show(command: ShowTeam, context: RequestContext) -> Reply:
    """One team, by its name or id. Raises UserError, ProviderError."""
    found = await find_team(command.team, context)
    return Reply(messages.team_card(await own_client(context).team(found.id)), title="Team")
