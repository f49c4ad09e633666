"""The abort modal's submission: from the filled-in view to a stopped build, with nothing typed lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from bot import messages
from bot.bitrise import AbortOrder
from bot.http import ProviderError
from bot.messages import Message, actions
from bot.messages.abort_modal import REASON
from handlers.answers import acts, builds, pipelines
from handlers.answers.forms import AbortOrigin
from handlers.caller import Answer, Caller, Pane
from handlers.desk import Desk
from handlers.finding import app_by_slug, by_slugs
from handlers.listening import Listening
from handlers.panes import ToPane
from handlers.saying import Pressed, Replacing, ToResponseUrl
from handlers.submitting import Course, see_through


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Listen to the abort modal."""

    @app.view(actions.ABORT_MODAL)
    async def submitted(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        async with listening.answering(actions.ABORT_MODAL):
            origin = AbortOrigin.decode(view["private_metadata"])
            order = messages.read_abort(view["state"]["values"])
            caller = Caller.in_body(body, desk)
            said = await see_through(
                _abort(origin, order, caller),
                _course(origin, order),
                ack=ack,
                caller=caller,
                view_id=view["id"],
            )
            if said is not None:
                await _tell(said, origin, caller)


def _course(origin: AbortOrigin, order: AbortOrder) -> Course[Answer | None]:
    return Course(
        waiting=messages.aborting(origin.button),
        done=lambda _: messages.abort_done(origin.button),
        again=lambda problem: messages.abort_modal(
            origin.button, private_metadata=origin.encode(), order=order, problem=problem
        ),
        refused=messages.not_aborted,
        field_of=lambda _: REASON,
    )


async def _abort(origin: AbortOrigin, order: AbortOrder, caller: Caller) -> Answer | None:
    if origin.button.pipeline:
        app = await app_by_slug(caller, origin.button.app)
        return await pipelines.abort(app, origin.button.build, order, caller)
    app, build = await by_slugs(caller, origin.button.app, origin.button.build)
    return await acts.abort_build(app, build, order, caller)


async def _tell(said: Answer, origin: AbortOrigin, caller: Caller) -> None:
    """Tell the channel, and bring up to date what Abort was pressed on."""
    say = ToResponseUrl(caller, origin.response_url, Pressed(caller.channel, origin.ts, origin.unfurled))
    await say(said)
    pressed_on: Replacing = say
    if not caller.channel or origin.view is not None:
        pressed_on = ToPane(_in_pane(caller, origin))
    try:
        card = await _card(origin, caller)
    except ProviderError:
        return
    await pressed_on.instead(card)


async def _card(origin: AbortOrigin, caller: Caller) -> Message:
    if origin.button.pipeline:
        app = await app_by_slug(caller, origin.button.app)
        return await pipelines.card(app, origin.button.build, caller)
    return await builds.card(*await by_slugs(caller, origin.button.app, origin.button.build), caller)


def _in_pane(caller: Caller, origin: AbortOrigin) -> Caller:
    """The caller as they were before the abort modal was opened."""
    pane = Pane(origin.view, home=False, full=False) if origin.view is not None else None
    return replace(caller, pane=pane)
