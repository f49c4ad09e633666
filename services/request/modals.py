"""Open forms within the three seconds that a trigger_id lives (Slack's rules, "Answering")."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from domain.errors import NotConnected
from domain.message import Block
from domain.provider import Provider
from messages import notices
from services.request.context import RequestContext
from services.request.finder import UserError
from services.request.forms import plain_error_text
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()

# For all that a form waits for together; the rest of the three seconds is for the two ways between Slack and here.
PATIENCE_SECONDS = 1.5


def opening_deadline() -> float:
    """The time of the event loop, in seconds, by which a form that is asked for now has to be opened."""
    return asyncio.get_running_loop().time() + PATIENCE_SECONDS


async def open_in_time(
    making: Coroutine[Any, Any, Block], context: RequestContext, title: str, *, until: float | None = None
) -> None:
    """Show the form that is being made; one that takes long is announced, and says itself what went wrong.

    `until` is the deadline where part of the time has passed already. Raises what `making` does before it, and
    SlackCallFailed.
    """
    task = asyncio.create_task(making)
    left = (until or opening_deadline()) - asyncio.get_running_loop().time()
    await asyncio.wait({task}, timeout=max(left, 0.0))
    if task.done():
        await context.open_view(task.result())
        return
    try:
        view_id = await context.open_view(notices.notice_modal(title, "⏳ One moment…"))
    finally:
        await asyncio.wait({task})
        problem = task.exception()
    view = notices.notice_modal(title, plain_error_text(problem)) if problem is not None else task.result()
    try:
        await context.update_view(view_id, view)
    except SlackCallFailed as error:
        log.info("form.gone", reason=error.reason)  # the person has closed it


def check_can_open(context: RequestContext) -> None:
    """Check that Slack lets the bot open a form here. Raises UserError."""
    if not context.trigger_id:
        raise UserError("Slack opens dialogs only from a command, a button or a shortcut.")


async def check_may_act(context: RequestContext, provider: Provider, until: float) -> None:
    """Check that the person may act at the provider, before they fill in a form, if that is known by `until`.

    The submission is checked again. Raises NotConnected, or why their account does not work.
    """
    try:
        async with asyncio.timeout_at(until):
            if not await context.may_act(provider):
                # An account that is refused says why.
                raise await context.visible_apps(provider).why_limited() or NotConnected(provider=provider)
    except TimeoutError:
        log.info("form.account_not_known")
