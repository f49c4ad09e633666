"""Run a form submission: reply at once if it is quick, else show its progress in the modal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Generic, TypeVar

import structlog
from slack_bolt.async_app import AsyncAck

from domain.message import Block
from domain.provider_errors import Forbidden, RequestRejected
from messages import notices
from services.request.context import Reply, RequestContext, Visibility
from services.request.error_messages import sentence_for
from services.request.errors import UserError
from services.request.request_tracker import start_once
from services.request.responder import ChannelResponder
from services.slack.acknowledgement import wait_for_acknowledgement
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()

T = TypeVar("T")

# Slack waits three seconds for the response (Slack's rules, "Answering"); slower work is shown as in progress.
PATIENCE_SECONDS = 1.5
# The longest error at a field (Slack's rules, "Sizes": as long as a label).
LONGEST_ERROR = 2000


class FieldError(UserError):
    """The input of a field is not valid; `field` is its block id."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field


class FollowUp(Enum):
    """The change to a modal after a quick submission; a slow one always shows its result."""

    CLOSED = "the modal is closed"
    REPLACED = "another modal replaces it"
    COVERED = "another modal is pushed on top of it"


@dataclass(frozen=True)
class SubmissionFlow(Generic[T]):
    """The views that the user sees during a submission.

    `waiting` is shown while it takes long, `done` at its end (None: nothing), placed as `then` says. `again` is the
    form with its input and the problem; `refused` says that trying again would not help. `field_of` returns the field
    that a problem is about; if it is None, the modal is redrawn instead.
    """

    waiting: Block
    done: Callable[[T], Block | None]
    again: Callable[[str], Block]
    refused: Callable[[str], Block]
    field_of: Callable[[BaseException], str] | None
    then: FollowUp = FollowUp.CLOSED


async def run_submission(
    work: Coroutine[Any, Any, T],
    flow: SubmissionFlow[T],
    *,
    ack: AsyncAck,
    context: RequestContext,
    view_id: str,
) -> T | None:
    """Run the work and show its progress in the modal; return the result, None if it failed."""
    task = asyncio.create_task(_start_and_run(work))
    await asyncio.wait({task}, timeout=PATIENCE_SECONDS)
    if task.done():
        await _respond_at_once(task, flow, ack)
    else:
        await ack(response_action="update", view=flow.waiting)
        await asyncio.wait({task})
        # A late acknowledgement would replace a view that was updated before it.
        await wait_for_acknowledgement()
        await _show_result(task, flow, context, view_id)
    return None if task.exception() is not None else task.result()


async def _start_and_run(work: Coroutine[Any, Any, T]) -> T:
    """Run the work once there is a free place; meanwhile the user is shown that it is in progress."""
    try:
        await start_once()
    except BaseException:
        work.close()
        raise
    return await work


async def _respond_at_once(task: asyncio.Task[T], flow: SubmissionFlow[T], ack: AsyncAck) -> None:
    problem = task.exception()
    if problem is not None and flow.field_of is None:
        await ack(response_action="update", view=_view_after(problem, flow))
    elif problem is not None and flow.field_of is not None:
        # An error at the field keeps the modal open with its input.
        await ack(
            response_action="errors",
            errors={flow.field_of(problem): plain_error_text(problem)[:LONGEST_ERROR]},
        )
    elif flow.then is not FollowUp.CLOSED and (view := flow.done(task.result())) is not None:
        await ack(response_action="push" if flow.then is FollowUp.COVERED else "update", view=view)
    else:
        await ack()


async def _show_result(
    task: asyncio.Task[T], flow: SubmissionFlow[T], context: RequestContext, view_id: str
) -> None:
    problem = task.exception()
    view = flow.done(task.result()) if problem is None else _view_after(problem, flow)
    if view is None:
        return
    try:
        await context.update_view(view_id, view)
    except SlackCallFailed as error:
        log.info("modal.gone", reason=error.reason)  # the person has closed it
        if problem is not None:
            await _send_error(str(flow.waiting["title"]["text"]), problem, context)


async def _send_error(title: str, problem: BaseException, context: RequestContext) -> None:
    """Send the error as a direct message, because the modal is closed."""
    reply = Reply(notices.error_message(f"{title}: {sentence_for(problem)}"), Visibility.ONE_PERSON)
    try:
        await ChannelResponder(replace(context, channel=""))(reply)
    except SlackCallFailed as error:
        log.warning("modal.not_told", reason=error.reason)


def _view_after(problem: BaseException, flow: SubmissionFlow[T]) -> Block:
    view = flow.refused if isinstance(problem, RequestRejected | Forbidden) else flow.again
    return view(plain_error_text(problem))


def plain_error_text(problem: BaseException) -> str:
    """Return the error as plain text for a field or a modal, which would show backticks."""
    return sentence_for(problem).replace("`", "")
