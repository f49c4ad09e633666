"""The buttons of Tiny CI, and its form to start a job."""

from __future__ import annotations

from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import FormValues
from services.actions.run import run_action
from services.request.button_press import ButtonPress
from services.request.context import Reply, RequestContext
from services.request.finder import find_app
from services.request.form_submission import FormSubmission, submission_flow
from services.request.interactions import Interactions
from tests.tiny.actions import StartJob
from tests.tiny.messages import PROJECT, RETRY, START, START_FORM, start_form
from tests.tiny.provider import TINY


async def _retry(press: ButtonPress) -> Reply | None:
    project, _, number = press.value.partition(" ")
    app = await find_app(press.context, project, TINY)
    return (await run_action(StartJob(app=app, retried=int(number)), press.context)).answer


async def _open_form(press: ButtonPress) -> None:
    metadata = ViewMetadata(channel=press.context.channel, provider=TINY)
    await press.context.open_view(start_form(press.value, metadata=metadata))


async def _submit(form: FormSubmission) -> None:
    project = FormValues(form.values).text(PROJECT) or ""
    metadata = ViewMetadata.read(form.metadata)
    flow = submission_flow(
        "Start a job",
        f"Starting {project}…",
        lambda problem: start_form(project, metadata=metadata, problem=problem),
        field=PROJECT,
    )
    await form.run_and_reply(_start(project, form.context), flow)


async def _start(project: str, context: RequestContext) -> Reply | None:
    app = await find_app(context, project, TINY)
    return (await run_action(StartJob(app=app), context)).answer


INTERACTIONS = Interactions(
    buttons={RETRY: _retry}, form_buttons={START: _open_form}, forms={START_FORM: _submit}
)
