"""Teams: their messages, the commands that list and show them, and their options in forms.

People without their own account are in none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import structlog

from domain.commands.command import Command, Word
from domain.message import Message
from domain.provider_errors import ProviderError
from messages.kit.blocks import button_row, context, paragraphs, section
from messages.kit.mrkdwn import code, escape
from messages.kit.views import ViewMetadata
from providers.buildio import action_ids
from providers.buildio.api.access import own_client
from providers.buildio.api.models import Team
from providers.buildio.apps import create
from providers.buildio.apps.commands import find_team
from providers.buildio.shared.blocks import COMMAND, optional_button, resource_list
from providers.buildio.shared.button_values import BuildioAppListButton
from providers.buildio.shared.lookup import NAMES
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext

log = structlog.get_logger()


def team_list(teams: Sequence[Team]) -> Message:
    """The teams of a person."""
    note = context(f"`{COMMAND} apps team:NAME` lists a team's apps.")
    return resource_list(
        "team",
        [team.name for team in teams],
        [*paragraphs([_line(team) for team in teams]), note],
        empty="You're in no team at Build.io.",
    )


def team_card(team: Team) -> Message:
    """One team."""
    show_apps = optional_button(
        "View apps", action_ids.APPS_PAGE, BuildioAppListButton.fitting(page=1, team=team.id)
    )
    return Message(escape(f"Team {team.name}", 300), [section(_line(team)), *button_row(show_apps)])


def _line(team: Team) -> str:
    return f"*{escape(team.name, 150) or '…'}* · {code(team.id, 80)}"


class ListTeams(Command):
    """List the person's teams."""


class ShowTeam(Command):
    """Show one team, by its name or id."""

    team: Annotated[str, Word("NAME", question="Which team?")]


async def list_teams(_ask: ListTeams, context: RequestContext) -> Reply:
    """Reply with the person's teams. Raises ProviderError."""
    return Reply(team_list(await own_client(context).teams()), title="Teams")


async def show(command: ShowTeam, context: RequestContext) -> Reply:
    """Reply with one team, by name or ID. Raises UserError, ProviderError."""
    team = await find_team(command.team, context)
    return Reply(team_card(await own_client(context).team(team.id)), title="Team")


COMMANDS = (
    CommandSpec(ListTeams, "teams", "List your teams.", read_only=True, handler=list_teams),
    CommandSpec(
        ShowTeam, "team", "Show one team.", ("team acme",), read_only=True, handler=show, notes=(NAMES,)
    ),
)


# Slack waits three seconds for the answer (Slack's rules, "Answering").
PATIENCE_SECONDS = 2.0


async def offer_teams(typed: str, _origin: ViewMetadata, context: RequestContext) -> dict[str, Any]:
    """Return the person's teams, if they arrive before Slack's timeout."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            teams = await own_client(context).teams()
    except (ProviderError, TimeoutError) as problem:
        log.info("teams.not_in_time", reason=type(problem).__name__)
        teams = []
    return {"options": create.team_options(typed, teams)}
