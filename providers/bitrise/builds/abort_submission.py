"""The abort modal's submission; what was typed is kept if the abort fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from domain.message import Message
from domain.provider_errors import ProviderError
from providers.bitrise import action_ids
from providers.bitrise.api.requests import AbortRequest
from providers.bitrise.builds import abort_form, commands
from providers.bitrise.builds.abort_form import REASON
from providers.bitrise.builds.open_forms import AbortOrigin
from providers.bitrise.pipelines import commands as pipeline_commands
from providers.bitrise.provider import BITRISE
from services.features.builds import commands as build_commands
from services.request.context import Reply, RequestContext, ViewContext
from services.request.finder import app_by_slug, build_by_slugs
from services.request.form_submission import FormHandler, FormSubmission
from services.request.forms import SubmissionFlow
from services.request.responder import PressedMessage, ReplacingResponder, ResponseUrlResponder
from services.request.view_responder import ViewResponder


async def submit_abort(form: FormSubmission) -> None:
    """Abort the form's build or pipeline, and update the message that the form was opened from."""
    origin = AbortOrigin.decode(form.metadata)
    order = abort_form.read_abort(form.values)
    reply = await form.run(_abort(origin, order, form.context), _submission_flow(origin, order))
    if reply is not None:
        await _post_reply(reply, origin, form.context)


def _submission_flow(origin: AbortOrigin, order: AbortRequest) -> SubmissionFlow[Reply | None]:
    return SubmissionFlow(
        waiting=abort_form.abort_in_progress(origin.button),
        done=lambda _: abort_form.abort_done(origin.button),
        again=lambda problem: abort_form.abort_modal(
            origin.button, private_metadata=origin.encode(), order=order, problem=problem
        ),
        refused=abort_form.abort_failed,
        field_of=lambda _: REASON,
    )


async def _abort(origin: AbortOrigin, order: AbortRequest, context: RequestContext) -> Reply | None:
    if origin.button.pipeline:
        app = await app_by_slug(context, origin.button.app, BITRISE)
        return await pipeline_commands.abort(app, origin.button.build, order, context)
    app, build = await build_by_slugs(context, origin.button.app, origin.button.build, BITRISE)
    return await commands.abort_build(app, build, order, context)


async def _post_reply(reply: Reply, origin: AbortOrigin, context: RequestContext) -> None:
    """Post the reply in the channel, and update the message or modal that Abort was pressed on."""
    message_responder = ResponseUrlResponder(
        context, origin.response_url, PressedMessage(context.channel, origin.ts, origin.unfurled)
    )
    await message_responder(reply)
    responder: ReplacingResponder = message_responder
    if not context.channel or origin.view is not None:
        responder = ViewResponder(_with_origin_view(context, origin))
    try:
        card = await _render_card(origin, context)
    except ProviderError:
        return
    await responder.replace_original(card)


async def _render_card(origin: AbortOrigin, context: RequestContext) -> Message:
    if origin.button.pipeline:
        app = await app_by_slug(context, origin.button.app, BITRISE)
        return await pipeline_commands.card(app, origin.button.build, context)
    return await build_commands.card(
        *await build_by_slugs(context, origin.button.app, origin.button.build, BITRISE), context
    )


def _with_origin_view(context: RequestContext, origin: AbortOrigin) -> RequestContext:
    """Return the context with the view from which the abort modal was opened."""
    view = ViewContext(origin.view, is_home=False, is_full=False) if origin.view is not None else None
    return replace(context, view=view)


FORMS: Mapping[str, FormHandler] = {action_ids.ABORT_MODAL: submit_abort}
