"""Teams, as people see them."""

from __future__ import annotations

from collections.abc import Sequence

from bot.buildio.things import Team
from bot.messages import actions
from bot.messages.blocks import context, paragraphs, section
from bot.messages.buildio.buttons import AppsButton
from bot.messages.buildio.pieces import COMMAND, buttons, press
from bot.messages.message import Message
from bot.messages.text import code, escape


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
    look = press("Its apps", actions.BUILDIO_APPS_PAGE, AppsButton.fitting(page=1, team=one.id))
    return Message(escape(f"Team {one.name}", 300), [section(_line(one)), *buttons(look)])


def _line(one: Team) -> str:
    return f"*{escape(one.name, 150) or '…'}* · {code(one.id, 80)}"
