"""The question before processes are restarted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domain.build import App, FrozenModel
from domain.message import Block, Message
from domain.provider import Provider
from messages.kit import action_ids
from messages.kit.blocks import confirm, plain_text, section
from messages.kit.mrkdwn import plain
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import MOST_OPTIONS, FormValues, field, is_pickable, modal, option, warning
from providers.buildio.api.models import BuildioApp, Dyno
from providers.buildio.shared.blocks import app_name, button_row, optional_button
from providers.buildio.shared.button_values import Title, app_button_value

DYNO = "dyno"
TITLE = "Restart"
# No process is called so: a name begins with a letter.
ALL = "*"


class RestartOrigin(ViewMetadata):
    """Also what the app is called."""

    title: Title = ""

    @property
    def of_app(self) -> App:
        """The app, as far as a form shows it."""
        return App(provider=Provider.BUILDIO, slug=self.app, title=self.title)


class RestartForm(FrozenModel):
    """What was picked: a process, None for all of them."""

    dyno: str | None = None


def restart_modal(
    form: RestartForm, app: App, dynos: Sequence[Dyno], *, origin: RestartOrigin, problem: str | None = None
) -> Block:
    """The form that asks which processes restart; the one that is known already is chosen."""
    names = dict.fromkeys([*([form.dyno] if form.dyno else []), *(one.name for one in dynos)])
    options = [option("All processes", ALL), *(option(name, name) for name in names if is_pickable(name))]
    chosen = next((one for one in options if one["value"] == form.dyno), options[0])
    select: Block = {
        "type": "static_select",
        "options": options[:MOST_OPTIONS],
        "initial_option": chosen,
        "placeholder": plain_text("Pick a process", 150),
    }
    return modal(
        TITLE,
        [
            *warning(problem),
            section(f"Processes of *{app_name(app)}* stop and start again. What they are doing is cut off."),
            field(DYNO, "Which", select, optional=False),
        ],
        callback_id=action_ids.BUILDIO_RESTART_MODAL,
        private_metadata=origin.encode(),
        submit="Restart",
        close="Not now",
    )


def restart_question(app: App) -> Message:
    """Where no form opens: the question, with the button that restarts all processes."""
    words = f"Restart all processes of {app_name(app)}?"
    return Message(words, [section(words), *button_row(restart_all_button(app))])


def restart_all_button(app: App | BuildioApp) -> Block | None:
    """The button that restarts all processes, with a question of its own."""
    title = plain(app.title if isinstance(app, App) else app.name, 100)
    question = confirm("Restart all processes?", f"All of {title} restarts at once.", "Restart all")
    return optional_button(
        "Restart all", action_ids.BUILDIO_RESTART_ALL, app_button_value(app), style="danger", confirm=question
    )


def read_restart(values: Mapping[str, Any]) -> RestartForm | None:
    """What was picked; None where nothing was. `values` is the view's state as Slack sends it."""
    picked = FormValues(values).picked(DYNO)
    if picked is None:
        return None
    return RestartForm(dyno=None if picked == ALL else picked)
