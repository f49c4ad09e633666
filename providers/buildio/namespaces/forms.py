"""Submissions of the forms that create and delete a namespace."""

from __future__ import annotations

from collections.abc import Mapping

from messages.kit.view_metadata import ViewMetadata
from providers.buildio import action_ids
from providers.buildio.apps import create_form
from providers.buildio.apps.create_form import NAME
from providers.buildio.namespaces import commands, messages
from providers.buildio.namespaces.messages import NamespaceOrigin
from providers.buildio.shared.type_to_confirm import TYPED_NAME
from services.request.form_submission import FormHandler, FormSubmission, submission_flow


async def _create(sent: FormSubmission) -> None:
    form, origin = create_form.read_namespace(sent.values), ViewMetadata.read(sent.metadata)
    if await sent.report_field_errors(form.problems):
        return
    flow = submission_flow(
        "Create a namespace",
        f"Creating {form.name}…",
        lambda problem: create_form.namespace_modal(form, origin=origin, problem=problem),
        field=NAME,
    )
    await sent.run_and_reply(commands.make(form, sent.context), flow)


async def _delete(sent: FormSubmission) -> None:
    form, origin = messages.read_delete_namespace(sent.values), NamespaceOrigin.read(sent.metadata)
    flow = submission_flow(
        commands.DELETE,
        "Deleting…",
        lambda problem: messages.delete_namespace_modal(origin=origin, problem=problem),
        field=TYPED_NAME,
    )
    await sent.run_and_reply(commands.delete_if_confirmed(form, origin, sent.context), flow)


FORMS: Mapping[str, FormHandler] = {
    action_ids.NAMESPACE_MODAL: _create,
    action_ids.DELETE_NAMESPACE_MODAL: _delete,
}
