"""Submissions of the form for a command, and of the review before it runs."""

from __future__ import annotations

from collections.abc import Mapping

from domain.message import Block
from messages import notices
from messages.kit.button_values import InvalidButtonValue
from providers.buildio import action_ids
from providers.buildio.processes import run_commands, run_form
from providers.buildio.processes.run_form import TYPED, RunForm, RunOrigin
from providers.buildio.provider import BUILDIO
from services.request.context import Reply, RequestContext
from services.request.finder import app_by_slug
from services.request.form_submission import FormHandler, FormSubmission, submission_flow
from services.request.forms import FollowUp, SubmissionFlow


async def _review_command(sent: FormSubmission) -> None:
    form, origin = run_form.read_run(sent.values), RunOrigin.read(sent.metadata)
    if await sent.report_field_errors(form.problems):
        return

    def rebuild_form(problem: str) -> Block:
        return run_form.run_modal(form, origin.of_app, (), origin=origin, problem=problem)

    flow: SubmissionFlow[Block] = SubmissionFlow(
        waiting=notices.notice_modal(run_commands.TITLE, "⏳ One moment…"),
        done=lambda view: view,
        again=rebuild_form,
        refused=rebuild_form,
        field_of=lambda _: TYPED,
        then=FollowUp.REPLACED,
    )
    await sent.run(_build_review(form, origin, sent.context), flow)


async def _run_reviewed(sent: FormSubmission) -> None:
    origin = RunOrigin.read(sent.metadata)
    flow = submission_flow(
        run_commands.TITLE,
        "It is running; I wait half a minute for its end…",
        lambda problem: run_form.run_check(origin.of_app, origin=origin, problem=problem),
        field=None,
    )
    await sent.run_and_reply(_carry_out(origin, sent.context), flow)


async def _build_review(form: RunForm, origin: RunOrigin, context: RequestContext) -> Block:
    app = await app_by_slug(context, origin.app, BUILDIO)
    return await run_commands.build_review(app, form, context, await run_commands.list_running(app, context))


async def _carry_out(origin: RunOrigin, context: RequestContext) -> Reply | None:
    if not origin.dyno or not origin.command:
        raise InvalidButtonValue  # nothing was shown
    app = await app_by_slug(context, origin.app, BUILDIO)
    return await run_commands.carry_out(app, origin, context)


FORMS: Mapping[str, FormHandler] = {
    action_ids.RUN_MODAL: _review_command,
    action_ids.RUN_CHECK: _run_reviewed,
}
