"""Submissions of the domain forms: add, replace certificate, remove all. A key is never put into a view again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from domain.build import App
from domain.message import Block
from messages import notices
from messages.kit.view_metadata import ViewMetadata
from providers.buildio import action_ids
from providers.buildio.domains import commands, forms
from providers.buildio.domains.forms import CERTIFICATE, HOST, ClearOrigin, DomainOrigin
from providers.buildio.provider import BUILDIO
from providers.buildio.shared import type_to_confirm
from providers.buildio.shared.type_to_confirm import TYPED_NAME
from services.request.context import Reply, RequestContext
from services.request.finder import app_by_slug
from services.request.form_submission import FormHandler, FormSubmission, submission_flow


async def _add(sent: FormSubmission) -> None:
    form, origin = forms.read_domain(sent.values), ViewMetadata.read(sent.metadata)
    if await sent.report_field_errors(form.problems):
        return

    app = App(provider=BUILDIO, slug=origin.app, title=origin.app)

    async def carry_out() -> Reply | None:
        nonlocal app
        app = await _find_app(origin, sent.context)
        return await commands.add_from_form(app, form, sent.context)

    def rebuild_form(problem: str) -> Block:
        if form.pem is not None:
            problem = f"{problem} The certificate is not kept: paste it once more."
        return forms.domain_modal(app, origin=origin, host=form.host, problem=problem)

    flow = submission_flow(commands.ADD, "Adding it…", rebuild_form, field=HOST)
    await sent.run_and_reply(carry_out(), flow)


async def _certificate(sent: FormSubmission) -> None:
    form, origin = forms.read_certificate(sent.values), DomainOrigin.read(sent.metadata)
    if await sent.report_field_errors(form.problems):
        return

    async def carry_out() -> Reply | None:
        app = await _find_app(origin, sent.context)
        return await commands.update_certificate(app, origin.domain, form, sent.context)

    flow = submission_flow(
        commands.CERTIFICATE, "Updating it…", _notice_builder(commands.CERTIFICATE), field=CERTIFICATE
    )
    await sent.run_and_reply(carry_out(), flow)


async def _clear(sent: FormSubmission) -> None:
    form, origin = type_to_confirm.read_typed_name(sent.values), ClearOrigin.read(sent.metadata)

    async def carry_out() -> Reply | None:
        app = await _find_app(origin, sent.context)
        return await commands.clear_if_confirmed(app, form, origin, sent.context)

    flow = submission_flow(
        commands.CLEAR, "Removing them…", _notice_builder(commands.CLEAR), field=TYPED_NAME
    )
    await sent.run_and_reply(carry_out(), flow)


async def _find_app(origin: ViewMetadata, context: RequestContext) -> App:
    """Find the app of the form again. Raises ProviderError."""
    return await app_by_slug(context, origin.app, BUILDIO)


def _notice_builder(title: str) -> Callable[[str], Block]:
    """Return the view for a late error: a plain notice, since the input is not stored."""
    return lambda problem: notices.notice_modal(title, problem)


FORMS: Mapping[str, FormHandler] = {
    action_ids.DOMAIN_MODAL: _add,
    action_ids.CERTIFICATE_MODAL: _certificate,
    action_ids.CLEAR_DOMAINS_MODAL: _clear,
}
