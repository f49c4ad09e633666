"""Submission of the form that restarts processes."""

from __future__ import annotations

from collections.abc import Mapping

from providers.buildio import action_ids
from providers.buildio.processes import commands, restart_form
from providers.buildio.processes.restart_form import DYNO, RestartForm, RestartOrigin
from providers.buildio.provider import BUILDIO
from services.request.context import Reply, RequestContext
from services.request.finder import app_by_slug
from services.request.form_submission import FormHandler, FormSubmission, submission_flow


async def _restart(sent: FormSubmission) -> None:
    form, origin = restart_form.read_restart(sent.values), RestartOrigin.read(sent.metadata)
    if form is None:
        await sent.report_field_errors({DYNO: "Which ones?"})
        return
    flow = submission_flow(
        "Restart",
        "Restarting…",
        lambda problem: restart_form.restart_modal(form, origin.of_app, (), origin=origin, problem=problem),
        field=DYNO,
    )
    await sent.run_and_reply(_carry_out(form, origin, sent.context), flow)


async def _carry_out(form: RestartForm, origin: RestartOrigin, context: RequestContext) -> Reply | None:
    app = await app_by_slug(context, origin.app, BUILDIO)
    if form.dyno is None:
        return await commands.restart_all(app, context)
    return await commands.restart_one(app, form.dyno, context)


FORMS: Mapping[str, FormHandler] = {action_ids.RESTART_MODAL: _restart}
