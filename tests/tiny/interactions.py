"""The buttons of Tiny CI, and its form to start a job."""

from __future__ import annotations

from dataclasses import dataclass

from domain.message import Block
from messages.kit.views import ViewMetadata, field, text_element
from services.actions.run import run_action
from services.request.button_press import ButtonPress
from services.request.context import Reply
from services.request.finder import find_app
from services.request.forms import Form, handlers_of
from services.request.interactions import Interactions
from tests.tiny.actions import StartJob
from tests.tiny.messages import RETRY, START
from tests.tiny.provider import TINY

START_FORM, PROJECT = "tiny_start_form", "project"


async def _retry(press: ButtonPress) -> Reply | None:
    project, _, number = press.value.partition(" ")
    app = await find_app(press.context, project, TINY)
    return (await run_action(StartJob(app=app, retried=int(number)), press.context)).answer


@dataclass
class StartForm(Form[ViewMetadata, str, Reply | None]):
    """Starts a job of a project."""

    callback_id = START_FORM
    title = "Start a job"
    error_field = PROJECT
    read_origin = ViewMetadata.read
    read_input = staticmethod(lambda values: values.text(PROJECT))

    def render(self, problem: str | None = None) -> Block:
        """Draw the form with the project."""
        return self.draw(
            field(PROJECT, "Project", text_element(self.filled)), submit="Start", problem=problem
        )

    async def submit(self) -> Reply | None:
        """Start the job."""
        app = await find_app(self.context, self.filled, TINY)
        return (await run_action(StartJob(app=app), self.context)).answer


async def _open_form(press: ButtonPress) -> None:
    metadata = ViewMetadata(channel=press.context.channel, provider=TINY)
    await StartForm(press.context, metadata, press.value).open()


INTERACTIONS = Interactions(
    buttons={RETRY: _retry}, form_buttons={START: _open_form}, forms=handlers_of(StartForm)
)
