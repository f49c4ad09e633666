"""Teams, as people see them."""

from __future__ import annotations

from collections.abc import Sequence

from domain.message import Message
from messages.kit import action_ids
from messages.kit.blocks import context, paragraphs, section
from messages.kit.mrkdwn import code, escape
from providers.buildio.api.models import Team
from providers.buildio.shared.blocks import COMMAND, button_row, optional_button
from providers.buildio.shared.button_values import BuildioAppListButton


def team_list(teams: Sequence[Team]) -> Message:
    """The teams that somebody belongs to."""
    if not teams:
        words = "You belong to no team at Build.io."
        return Message(words, [section(words)])
    head = section(f"*{len(teams)} team{'s' if len(teams) != 1 else ''}*")
    note = context(f"`{COMMAND} apps team:NAME` lists the apps of one.")
    return Message(
        escape(f"Teams: {', '.join(one.name for one in teams)}", 2000),
        [head, *paragraphs([_line(one) for one in teams]), note],
    )


def team_card(one: Team) -> Message:
    """One team."""
    look = optional_button(
        "Its apps", action_ids.BUILDIO_APPS_PAGE, BuildioAppListButton.fitting(page=1, team=one.id)
    )
    return Message(escape(f"Team {one.name}", 300), [section(_line(one)), *button_row(look)])


def _line(one: Team) -> str:
    return f"*{escape(one.name, 150) or '…'}* · {code(one.id, 80)}"
