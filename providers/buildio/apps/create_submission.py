"""Submission of the form for a new app."""

from __future__ import annotations

from collections.abc import Mapping

from messages.kit.view_metadata import ViewMetadata
from providers.buildio import action_ids
from providers.buildio.apps import create, create_form
from providers.buildio.apps.create_form import NAME
from services.request.form_submission import FormHandler, FormSubmission, submission_flow


async def _create(sent: FormSubmission) -> None:
    form, origin = create_form.read_create(sent.values), ViewMetadata.read(sent.metadata)
    if await sent.report_field_errors(form.problems):
        return
    flow = submission_flow(
        "Create an app",
        f"Creating {form.name}…",
        lambda problem: create_form.create_modal(form, origin=origin, problem=problem),
        field=NAME,
    )
    await sent.run_and_reply(create.make(form, sent.context), flow)


FORMS: Mapping[str, FormHandler] = {action_ids.CREATE_MODAL: _create}
