"""Submission of the form that deploys an app."""

from __future__ import annotations

from collections.abc import Mapping

from domain.build import App
from messages.kit.view_metadata import ViewMetadata
from messages.kit.views import FormValues
from providers.buildio import action_ids
from providers.buildio.deploys import commands
from providers.buildio.deploys import form as deploy_form
from providers.buildio.deploys.form import APP, DeployForm
from providers.buildio.provider import BUILDIO
from services.request.context import Reply, RequestContext
from services.request.finder import app_by_slug
from services.request.form_submission import FormHandler, FormSubmission, submission_flow


async def _deploy(sent: FormSubmission) -> None:
    form, origin = deploy_form.read_deploy(sent.values), ViewMetadata.read(sent.metadata)
    if await sent.report_field_errors(form.problems):
        return
    title = FormValues(sent.values).picked_words(APP) or "?"
    picked = App(provider=BUILDIO, slug=form.app or "", title=title)
    flow = submission_flow(
        "Deploy",
        f"Deploying {title}…",
        lambda problem: deploy_form.deploy_modal(form, picked, origin=origin, problem=problem),
        field=APP,
    )
    await sent.run_and_reply(_start(form, sent.context), flow)


async def _start(form: DeployForm, context: RequestContext) -> Reply | None:
    return await commands.start(await app_by_slug(context, form.app or "", BUILDIO), form, context)


FORMS: Mapping[str, FormHandler] = {action_ids.DEPLOY_MODAL: _deploy}
