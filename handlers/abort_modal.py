"""The abort modal's submission: from the filled-in view to a stopped build, with nothing typed lost."""

from __future__ import annotations

import asyncio
from typing import Any, Self

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck
from slack_sdk.errors import SlackApiError

from bot import messages
from bot.bitrise import AbortOrder
from bot.build import Frozen
from bot.http import NoAccess, ProviderError, Refused
from bot.messages import BuildButton, actions
from bot.messages.abort_modal import REASON
from handlers.answers import acts, builds
from handlers.caller import Answer, Caller
from handlers.desk import Desk
from handlers.finding import by_slugs
from handlers.listening import Listening
from handlers.saying import Pressed, ToResponseUrl
from handlers.trouble import in_words

log = structlog.get_logger()

# Slack waits three seconds for the answer (Slack's rules, "Answering"); what takes longer is shown as under way.
PATIENCE_SECONDS = 1.5


class Origin(Frozen):
    """Where Abort was pressed; it travels in the modal's private_metadata."""

    button: BuildButton
    team: str
    channel: str
    ts: str | None = None
    response_url: str | None = None

    @classmethod
    def of(cls, value: str, caller: Caller, say: ToResponseUrl) -> Self:
        """The origin of a pressed button. Raises NotAButton."""
        return cls(
            button=BuildButton.decode(value),
            team=caller.team,
            channel=caller.channel,
            ts=say.pressed.ts if say.pressed else None,
            response_url=say.url,
        )

    def encode(self) -> str:
        """As private_metadata."""
        return self.model_dump_json(exclude_none=True)


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Listen to the abort modal."""

    @app.view(actions.ABORT_MODAL)
    async def submitted(ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        async with listening.answering(actions.ABORT_MODAL):
            origin = Origin.model_validate_json(view["private_metadata"])
            order = messages.read_abort(view["state"]["values"])
            person = body["user"]
            caller = Caller(
                desk=desk,
                person=person["id"],
                name=person.get("username") or person.get("name"),
                team=origin.team,
                channel=origin.channel,
            )
            aborting = asyncio.create_task(_abort(origin, order, caller))
            await asyncio.wait({aborting}, timeout=PATIENCE_SECONDS)
            if aborting.done():
                await _answer_at_once(aborting, ack)
            else:
                await ack(response_action="update", view=messages.aborting(origin.button))
                await _answer_late(aborting, origin, order, desk, view["id"])
            if aborting.exception() is None:
                await _tell(aborting.result(), origin, caller)


async def _abort(origin: Origin, order: AbortOrder, caller: Caller) -> Answer:
    app, build = await by_slugs(caller, origin.button.app, origin.button.build)
    return await acts.abort_build(app, build, order, caller)


async def _answer_at_once(aborting: asyncio.Task[Answer], ack: AsyncAck) -> None:
    problem = aborting.exception()
    if problem is None:
        await ack()
    else:
        # At the field, so that the modal stays open and what was typed stays in it.
        await ack(response_action="errors", errors={REASON: _words(problem)[:2000]})


async def _answer_late(
    aborting: asyncio.Task[Answer], origin: Origin, order: AbortOrder, desk: Desk, view_id: str
) -> None:
    await asyncio.wait({aborting})
    problem = aborting.exception()
    if problem is None:
        view = messages.abort_done(origin.button)
    elif isinstance(problem, Refused | NoAccess):
        view = messages.not_aborted(_words(problem))
    else:
        view = messages.abort_modal(
            origin.button, private_metadata=origin.encode(), order=order, problem=_words(problem)
        )
    try:
        await desk.slack.views_update(view_id=view_id, view=view)
    except SlackApiError as error:
        log.info("abort_modal.gone", reason=str(error.response.get("error")))  # the person has closed it


async def _tell(said: Answer, origin: Origin, caller: Caller) -> None:
    say = ToResponseUrl(caller, origin.response_url, Pressed(origin.channel, origin.ts))
    await say(said)
    try:
        app, build = await by_slugs(caller, origin.button.app, origin.button.build)
    except ProviderError:
        return
    await say.instead(await builds.card(app, build, caller))


def _words(problem: BaseException) -> str:
    return in_words(problem if isinstance(problem, Exception) else Exception()).text
