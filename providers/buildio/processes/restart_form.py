"""The confirmation before processes are restarted."""

from __future__ import annotations

from collections.abc import Sequence

from domain.build import App, FrozenModel
from domain.message import Block, Message
from messages.kit.blocks import confirm, plain_text, section
from messages.kit.mrkdwn import plain
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import MAX_OPTIONS, FormValues, field, is_pickable, modal, option, warning
from providers.buildio import action_ids
from providers.buildio.api.models import BuildioApp, Dyno
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.blocks import app_name, button_row, optional_button
from providers.buildio.shared.button_values import Title, app_button_value

DYNO = "dyno"
TITLE = "Restart"
# No process has this name: names start with a letter.
ALL = "*"


class RestartOrigin(ViewMetadata):
    """Metadata with the name of the app."""

    title: Title = ""

    @property
    def of_app(self) -> App:
        """Return the app, as far as the form shows it."""
        return App(provider=BUILDIO, slug=self.app, title=self.title)


class RestartForm(FrozenModel):
    """The picked process; None stands for all."""

    dyno: str | None = None


def restart_modal(
    form: RestartForm, app: App, dynos: Sequence[Dyno], *, origin: RestartOrigin, problem: str | None = None
) -> Block:
    """Build the form that asks which processes to restart; a known one is preselected."""
    names = dict.fromkeys([*([form.dyno] if form.dyno else []), *(dyno.name for dyno in dynos)])
    options = [option("All processes", ALL), *(option(name, name) for name in names if is_pickable(name))]
    chosen = next((item for item in options if item["value"] == form.dyno), options[0])
    select: Block = {
        "type": "static_select",
        "options": options[:MAX_OPTIONS],
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
        callback_id=action_ids.RESTART_MODAL,
        private_metadata=origin.encode(),
        submit="Restart",
        close="Not now",
    )


def restart_question(app: App) -> Message:
    """The confirmation if no form can be opened: a button that restarts all processes."""
    text = f"Restart all processes of {app_name(app)}?"
    return Message(text, [section(text), *button_row(restart_all_button(app))])


def restart_all_button(app: App | BuildioApp) -> Block | None:
    """The button that restarts all processes, with its own confirmation."""
    title = plain(app.title if isinstance(app, App) else app.name, 100)
    question = confirm("Restart all processes?", f"All of {title} restarts at once.", "Restart all")
    return optional_button(
        "Restart all", action_ids.RESTART_ALL, app_button_value(app), style="danger", confirm=question
    )


def read_restart(values: FormValues) -> RestartForm | None:
    """Read the picked process from `values`, the view's state as Slack sends it; None if nothing was picked."""
    picked = values.picked(DYNO)
    if picked is None:
        return None
    return RestartForm(dyno=None if picked == ALL else picked)
