"""The forms that make a namespace, and delete one."""

from __future__ import annotations

from collections.abc import Mapping

from bot.messages import Origin, actions, buildio
from bot.messages.buildio import NamespaceOrigin
from bot.messages.buildio.confirming import TYPED_NAME
from bot.messages.buildio.creating import NAME
from handlers.buildio import namespaces
from handlers.buildio.modals.submitted import Submission, Submitted, course_of


async def _create(sent: Submitted) -> None:
    form, origin = buildio.read_namespace(sent.values), Origin.read(sent.metadata)
    if await sent.is_wrong(form.problems):
        return
    course = course_of(
        "Create a namespace",
        f"Creating {form.name}…",
        lambda problem: buildio.namespace_modal(form, origin=origin, problem=problem),
        field=NAME,
    )
    await sent.answer(namespaces.make(form, sent.caller), course)


async def _delete(sent: Submitted) -> None:
    form, origin = buildio.read_delete_namespace(sent.values), NamespaceOrigin.read(sent.metadata)
    course = course_of(
        namespaces.DELETE,
        "Deleting…",
        lambda problem: buildio.delete_namespace_modal(origin=origin, problem=problem),
        field=TYPED_NAME,
    )
    await sent.answer(namespaces.delete_typed(form, origin, sent.caller), course)


SUBMISSIONS: Mapping[str, Submission] = {
    actions.BUILDIO_NAMESPACE_MODAL: _create,
    actions.BUILDIO_DELETE_NAMESPACE_MODAL: _delete,
}
