"""The question before processes restart."""

from __future__ import annotations

from collections.abc import Mapping

from bot.messages import actions, buildio
from bot.messages.buildio import RestartForm, RestartOrigin
from bot.messages.buildio.restarting import DYNO
from bot.provider import Provider
from handlers.buildio import processes
from handlers.buildio.modals.submitted import Submission, Submitted, course_of
from handlers.caller import Answer, Caller
from handlers.finding import app_by_slug


async def _restart(sent: Submitted) -> None:
    form, origin = buildio.read_restart(sent.values), RestartOrigin.read(sent.metadata)
    if form is None:
        await sent.is_wrong({DYNO: "Which ones?"})
        return
    course = course_of(
        "Restart",
        "Restarting…",
        lambda problem: buildio.restart_modal(form, origin.of_app, (), origin=origin, problem=problem),
        field=DYNO,
    )
    await sent.answer(_carry_out(form, origin, sent.caller), course)


async def _carry_out(form: RestartForm, origin: RestartOrigin, caller: Caller) -> Answer | None:
    app = await app_by_slug(caller, origin.app, Provider.BUILDIO)
    if form.dyno is None:
        return await processes.restart_all(app, caller)
    return await processes.restart_one(app, form.dyno, caller)


SUBMISSIONS: Mapping[str, Submission] = {actions.BUILDIO_RESTART_MODAL: _restart}
