"""Open forms before the trigger_id expires after three seconds (Slack's rules, "Answering")."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from domain.message import Block
from domain.provider import Provider
from domain.provider_errors import NotConnected
from messages import notices
from services.request.context import RequestContext
from services.request.errors import UserError
from services.request.forms import plain_error_text
from services.slack.errors import SlackCallFailed

log = structlog.get_logger()

# The time for everything that a form waits for; the rest of the three seconds is for the network, both ways.
PATIENCE_SECONDS = 1.5


def opening_deadline() -> float:
    """Return the time of the event loop, in seconds, by which a form that is requested now has to be opened."""
    return asyncio.get_running_loop().time() + PATIENCE_SECONDS


async def open_in_time(
    rendering: Coroutine[Any, Any, Block], context: RequestContext, title: str, *, until: float | None = None
) -> None:
    """Open the form once it is rendered; if that takes long, open a placeholder first and show errors in it.

    `until` is the deadline, if part of the time has passed already. Raises SlackCallFailed, and what the rendering
    raises before the deadline.
    """
    task = asyncio.create_task(rendering)
    remaining = (until or opening_deadline()) - asyncio.get_running_loop().time()
    await asyncio.wait({task}, timeout=max(remaining, 0.0))
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
    """Check that the user may act at the provider before they fill in a form, if that is known by `until`.

    The submission is checked again. Raises NotConnected, or the reason why their account does not work.
    """
    try:
        async with asyncio.timeout_at(until):
            if not await context.may_act(provider):
                # For an account that the provider refuses, this says why.
                raise await context.visible_apps(provider).why_limited() or NotConnected(provider=provider)
    except TimeoutError:
        log.info("form.account_not_known")
