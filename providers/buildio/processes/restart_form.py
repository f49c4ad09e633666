"""The confirmation before processes are restarted."""

from __future__ import annotations

from domain.build import App, FrozenModel
from domain.message import Block, Message
from messages.kit.blocks import button_row, confirm, text_message
from messages.kit.mrkdwn import plain
from messages.kit.views import FormValues
from providers.buildio import action_ids
from providers.buildio.shared.blocks import app_name, optional_button
from providers.buildio.shared.button_values import app_button_value

DYNO = "dyno"
# No process has this name: names start with a letter.
ALL = "*"


class RestartForm(FrozenModel):
    """The picked process; None stands for all."""

    dyno: str | None = None


def restart_question(app: App) -> Message:
    """The confirmation if no form can be opened: a button that restarts all processes."""
    return text_message(f"Restart all processes of *{app_name(app)}*?", *button_row(restart_all_button(app)))


def restart_all_button(app: App) -> Block | None:
    """The button that restarts all processes, with its own confirmation."""
    title = plain(app.title, 100)
    question = confirm(
        "Restart all processes?",
        f"All of {title} restarts at once. Work in progress stops.",
        "Restart all",
    )
    return optional_button(
        "Restart all", action_ids.RESTART_ALL, app_button_value(app), style="danger", confirm=question
    )


def read_restart(values: FormValues) -> RestartForm | None:
    """Read the picked process from `values`, the view's state as Slack sends it; None if nothing was picked."""
    picked = values.picked(DYNO)
    if picked is None:
        return None
    return RestartForm(dyno=None if picked == ALL else picked)
