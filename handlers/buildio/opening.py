"""Opening a form: at once where that is quick, since a trigger_id lives three seconds, else empty at first."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from bot import messages
from bot.build import App
from bot.messages import Origin
from bot.messages.message import Block
from bot.provider import Provider
from bot.slack_errors import SlackCallFailed
from handlers.caller import Caller
from handlers.submitting import words_of

log = structlog.get_logger()

PATIENCE_SECONDS = 1.2


def origin_of(caller: Caller) -> Origin:
    """What travels with a form that is opened here."""
    return Origin(channel=caller.channel, provider=Provider.BUILDIO)


async def open_in_time(making: Coroutine[Any, Any, Block], caller: Caller, title: str) -> None:
    """Show the form that is being made; one that takes long is announced, and says itself what went wrong.

    Raises what `making` does in the first moment, and SlackCallFailed.
    """
    task = asyncio.create_task(making)
    await asyncio.wait({task}, timeout=PATIENCE_SECONDS)
    if task.done():
        await caller.show(task.result())
        return
    try:
        view_id = await caller.show(messages.notice(title, "⏳ One moment…"))
    finally:
        await asyncio.wait({task})
        problem = task.exception()
    view = messages.notice(title, words_of(problem)) if problem is not None else task.result()
    try:
        await caller.redraw(view_id, view)
    except SlackCallFailed as error:
        log.info("form.gone", reason=error.reason)  # the person has closed it


async def channels_app(caller: Caller) -> App | None:
    """The app that this channel has chosen, as far as that is known at once."""
    slug = await caller.storage.channels.default_app(caller.channel, Provider.BUILDIO)
    if slug is None:
        return None
    apps = await caller.apps_of(Provider.BUILDIO).in_time()
    return next((app for app in apps if app.slug == slug), None)
