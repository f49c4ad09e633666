"""The form that asks which command is to run, and the last look at it before it does."""

from __future__ import annotations

from collections.abc import Mapping

from bot import messages
from bot.messages import NotAButton, actions, buildio
from bot.messages.buildio import RunForm, RunOrigin
from bot.messages.buildio.running import TYPED
from bot.messages.message import Block
from bot.provider import Provider
from handlers.buildio import running
from handlers.buildio.modals.submitted import Submission, Submitted, course_of
from handlers.caller import Answer, Caller
from handlers.finding import app_by_slug
from handlers.submitting import Course, Then


async def _typed(sent: Submitted) -> None:
    form, origin = buildio.read_run(sent.values), RunOrigin.read(sent.metadata)
    if await sent.is_wrong(form.problems):
        return

    def again(problem: str) -> Block:
        return buildio.run_modal(form, origin.of_app, (), origin=origin, problem=problem)

    course: Course[Block] = Course(
        waiting=messages.notice(running.TITLE, "⏳ One moment…"),
        done=lambda view: view,
        again=again,
        refused=again,
        field_of=lambda _: TYPED,
        then=Then.REPLACED,
    )
    await sent.see_through(_look(form, origin, sent.caller), course)


async def _seen(sent: Submitted) -> None:
    origin = RunOrigin.read(sent.metadata)
    course = course_of(
        running.TITLE,
        "It is running; I wait half a minute for its end…",
        lambda problem: buildio.run_check(origin.of_app, origin=origin, problem=problem),
        field=None,
    )
    await sent.answer(_carry_out(origin, sent.caller), course)


async def _look(form: RunForm, origin: RunOrigin, caller: Caller) -> Block:
    app = await app_by_slug(caller, origin.app, Provider.BUILDIO)
    return await running.look_at(app, form, caller, await running.running(app, caller))


async def _carry_out(origin: RunOrigin, caller: Caller) -> Answer | None:
    if not origin.dyno or not origin.command:
        raise NotAButton  # there is nothing that was shown
    app = await app_by_slug(caller, origin.app, Provider.BUILDIO)
    return await running.carry_out(app, origin, caller)


SUBMISSIONS: Mapping[str, Submission] = {
    actions.BUILDIO_RUN_MODAL: _typed,
    actions.BUILDIO_RUN_CHECK: _seen,
}
