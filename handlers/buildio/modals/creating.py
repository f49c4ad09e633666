"""The form that makes an app."""

from __future__ import annotations

from collections.abc import Mapping

from bot.messages import Origin, actions, buildio
from bot.messages.buildio.creating import NAME
from handlers.buildio import creating
from handlers.buildio.modals.submitted import Submission, Submitted, course_of


async def _create(sent: Submitted) -> None:
    form, origin = buildio.read_create(sent.values), Origin.read(sent.metadata)
    if await sent.is_wrong(form.problems):
        return
    course = course_of(
        "Create an app",
        f"Creating {form.name}…",
        lambda problem: buildio.create_modal(form, origin=origin, problem=problem),
        field=NAME,
    )
    await sent.answer(creating.make(form, sent.caller), course)


SUBMISSIONS: Mapping[str, Submission] = {actions.BUILDIO_CREATE_MODAL: _create}
