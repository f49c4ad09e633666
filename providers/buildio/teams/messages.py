"""Messages about teams."""

from __future__ import annotations

from collections.abc import Sequence

from domain.message import Message
from messages.kit.blocks import button_row, context, paragraphs, section
from messages.kit.mrkdwn import code, escape
from providers.buildio import action_ids
from providers.buildio.api.models import Team
from providers.buildio.shared.blocks import COMMAND, optional_button, resource_list
from providers.buildio.shared.button_values import BuildioAppListButton


def team_list(teams: Sequence[Team]) -> Message:
    """The teams of a person."""
    note = context(f"`{COMMAND} apps team:NAME` lists the apps of one.")
    return resource_list(
        "team",
        [team.name for team in teams],
        [*paragraphs([_line(team) for team in teams]), note],
        empty="You belong to no team at Build.io.",
    )


def team_card(team: Team) -> Message:
    """One team."""
    show_apps = optional_button(
        "Its apps", action_ids.APPS_PAGE, BuildioAppListButton.fitting(page=1, team=team.id)
    )
    return Message(escape(f"Team {team.name}", 300), [section(_line(team)), *button_row(show_apps)])


def _line(team: Team) -> str:
    return f"*{escape(team.name, 150) or '…'}* · {code(team.id, 80)}"
