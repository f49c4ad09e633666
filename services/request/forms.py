"""Doing what a submitted modal asks for: at once where that is quick, else while the person watches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Generic, TypeVar

import structlog
from slack_bolt.async_app import AsyncAck

from domain.errors import Forbidden, RequestRejected
from domain.message import Block
from messages import notices
from services.request.context import Reply, RequestContext, Visibility
from services.request.error_messages import sentence_for
from services.request.finder import UserError
from services.request.request_tracker import start_once
from services.request.responder import ChannelResponder
from services.slack.acknowledgement import wait_for_acknowledgement
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()

T = TypeVar("T")

# Slack waits three seconds for the answer (Slack's rules, "Answering"); what takes longer is shown as under way.
PATIENCE_SECONDS = 1.5
# What an error beside a field may say (Slack's rules, "Sizes": as long as a label).
LONGEST_ERROR = 2000


class FieldError(UserError):
    """What was filled in can't be taken; `field` names where."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field


class FollowUp(Enum):
    """What becomes of a modal whose submission was done at once; one that took long shows how it ended."""

    CLOSED = "it is closed"
    REPLACED = "another one takes its place"
    COVERED = "another one lies on top of it"


@dataclass(frozen=True)
class SubmissionFlow(Generic[T]):
    """What the person sees of a submission.

    `waiting` while it takes long; `done` at its end (None: nothing any more), where `then` says; `again` asks once
    more, with what was filled in, and `refused` says that asking would not help; `field_of` names the field that a
    problem is about; where it is None there is no field, and the modal is drawn anew.
    """

    waiting: Block
    done: Callable[[T], Block | None]
    again: Callable[[str], Block]
    refused: Callable[[str], Block]
    field_of: Callable[[BaseException], str] | None
    then: FollowUp = FollowUp.CLOSED


async def run_submission(
    doing: Coroutine[Any, Any, T],
    course: SubmissionFlow[T],
    *,
    ack: AsyncAck,
    context: RequestContext,
    view_id: str,
) -> T | None:
    """Do it, and let the person see how it goes; returns what came of it, None where it failed."""
    task = asyncio.create_task(_taken_up(doing))
    await asyncio.wait({task}, timeout=PATIENCE_SECONDS)
    if task.done():
        await _answer_at_once(task, course, ack)
    else:
        await ack(response_action="update", view=course.waiting)
        await asyncio.wait({task})
        # Slack would put what is acknowledged in the place of what comes before it.
        await wait_for_acknowledgement()
        await _answer_late(task, course, context, view_id)
    return None if task.exception() is not None else task.result()


async def _taken_up(doing: Coroutine[Any, Any, T]) -> T:
    """Do it once there is a place for it. Slack is answered meanwhile: whoever waits is shown that it is under way."""
    try:
        await start_once()
    except BaseException:
        doing.close()
        raise
    return await doing


async def _answer_at_once(task: asyncio.Task[T], course: SubmissionFlow[T], ack: AsyncAck) -> None:
    problem = task.exception()
    if problem is not None and course.field_of is None:
        await ack(response_action="update", view=_after(problem, course))
    elif problem is not None and course.field_of is not None:
        # At the field, so that the modal stays open and what was typed stays in it.
        await ack(
            response_action="errors",
            errors={course.field_of(problem): plain_error_text(problem)[:LONGEST_ERROR]},
        )
    elif course.then is not FollowUp.CLOSED and (view := course.done(task.result())) is not None:
        await ack(response_action="push" if course.then is FollowUp.COVERED else "update", view=view)
    else:
        await ack()


async def _answer_late(
    task: asyncio.Task[T], course: SubmissionFlow[T], context: RequestContext, view_id: str
) -> None:
    problem = task.exception()
    view = course.done(task.result()) if problem is None else _after(problem, course)
    if view is None:
        return
    try:
        await context.update_view(view_id, view)
    except SlackCallFailed as error:
        log.info("modal.gone", reason=error.reason)  # the person has closed it
        if problem is not None:
            await _say_alone(str(course.waiting["title"]["text"]), problem, context)


async def _say_alone(title: str, problem: BaseException, context: RequestContext) -> None:
    """Tell the person in their direct messages how it went, who can't read it in the dialog any more."""
    said = Reply(notices.error_message(f"{title}: {sentence_for(problem)}"), Visibility.ONE_PERSON)
    try:
        await ChannelResponder(replace(context, channel=""))(said)
    except SlackCallFailed as error:
        log.warning("modal.not_told", reason=error.reason)


def _after(problem: BaseException, course: SubmissionFlow[T]) -> Block:
    view = course.refused if isinstance(problem, RequestRejected | Forbidden) else course.again
    return view(plain_error_text(problem))


def plain_error_text(problem: BaseException) -> str:
    """What went wrong, for a field or a modal: text only, where backticks would stand as they are."""
    return sentence_for(problem).replace("`", "")
