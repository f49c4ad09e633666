"""Commands for teams: list and show. People without their own account are in none."""

from __future__ import annotations

from typing import Annotated

from domain.commands.command import Command, Word
from providers.buildio.api.access import own_client
from providers.buildio.apps.commands import find_team
from providers.buildio.shared.name_lookup import NAMES
from providers.buildio.teams import messages
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext


class ListTeams(Command):
    """List the person's teams."""


class ShowTeam(Command):
    """Show one team, by its name or id."""

    team: Annotated[str, Word("NAME", question="Which team? Give its name.")]


async def list_teams(_ask: ListTeams, context: RequestContext) -> Reply:
    """Reply with the person's teams. Raises ProviderError."""
    return Reply(messages.team_list(await own_client(context).teams()), title="Teams")


async def show(command: ShowTeam, context: RequestContext) -> Reply:
    """Reply with one team, by name or ID. Raises UserError, ProviderError."""
    team = await find_team(command.team, context)
    return Reply(messages.team_card(await own_client(context).team(team.id)), title="Team")


COMMANDS = (
    CommandSpec(ListTeams, "teams", "The teams that you belong to.", read_only=True, handler=list_teams),
    CommandSpec(ShowTeam, "team", "One team.", ("team acme",), read_only=True, handler=show, notes=(NAMES,)),
)
