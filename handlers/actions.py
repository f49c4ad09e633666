"""Buttons on messages."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from bot import messages
from bot.build import App, Build
from bot.commands import ListApps, ListBuilds, parse
from bot.messages import AppsButton, ArtifactButton, BuildButton, ListButton, NotAButton, actions
from handlers import cards, subscription_modal
from handlers.abort_modal import Origin
from handlers.answers import acts, apps, builds, personal, results, subscriptions
from handlers.caller import Answer, Caller
from handlers.desk import Desk
from handlers.finding import by_slugs
from handlers.listening import Listening
from handlers.saying import Pressed, ToResponseUrl
from handlers.trouble import say_or_explain


@dataclass(frozen=True)
class Press:
    """A button that somebody pressed: what it carries, who pressed it, and where the answer goes."""

    value: str
    caller: Caller
    say: ToResponseUrl
    trigger_id: str


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Listen to every button that the messages have."""
    for action_id, answer in _ANSWERS.items():
        _listen(app, action_id, answer, desk, listening)

    @app.action(re.compile(f"^{actions.OPEN_LINK}"))
    async def opened(ack: AsyncAck) -> None:
        await ack()  # Slack tells of a link's click too; there is nothing to do


def _listen(
    app: AsyncApp,
    action_id: str,
    answer: Callable[[Press], Awaitable[Answer | None]],
    desk: Desk,
    listening: Listening,
) -> None:
    @app.action(re.compile(f"^{action_id}(_next)?$"))
    async def pressed(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        await ack()
        async with listening.answering(action_id):
            place = Pressed.in_body(body)
            caller = Caller(
                desk=desk,
                person=body["user"]["id"],
                name=body["user"].get("username") or body["user"].get("name"),
                team=(body.get("team") or {}).get("id") or "",
                channel=place.channel,
            )
            say = ToResponseUrl(caller, body.get("response_url"), place)
            press = Press(action.get("value") or "", caller, say, body.get("trigger_id") or "")
            await say_or_explain(answer(press), say)


async def _found(press: Press) -> tuple[App, Build]:
    button = BuildButton.decode(press.value)
    return await by_slugs(press.caller, button.app, button.build)


async def _show(press: Press) -> Answer:
    return Answer(await builds.card(*await _found(press), press.caller))


async def _refresh(press: Press) -> None:
    app, build = await _found(press)
    if build.ended and await cards.refresh(press.say.pressed, press.caller):
        return  # a message of a subscription says more than the card, and is brought up to date as it is
    await press.say.instead(await builds.card(app, build, press.caller))


async def _log(press: Press) -> Answer:
    return await results.log_of(*await _found(press), press.caller)


async def _artifacts(press: Press) -> Answer:
    return await results.artifacts_of(*await _found(press), press.caller)


async def _artifact_link(press: Press) -> Answer:
    button = ArtifactButton.decode(press.value)
    return await results.artifact_link(button.app, button.build, button.artifact, press.caller)


async def _abort(press: Press) -> None:
    origin = Origin.of(press.value, press.caller, press.say)
    # Opened before anything is looked up: a trigger_id lives three seconds (Slack's rules, "Answering").
    await press.caller.desk.slack.views_open(
        trigger_id=press.trigger_id,
        view=messages.abort_modal(origin.button, private_metadata=origin.encode()),
    )


async def _rebuild(press: Press) -> Answer:
    return await acts.rebuild_build(*await _found(press), press.caller)


async def _older_builds(press: Press) -> Answer:
    button = ListButton.decode(press.value)
    ask = parse(button.words, surface="slash")
    if not isinstance(ask, ListBuilds):
        raise NotAButton
    return await builds.list_builds(ask, press.caller, start=button.start)


async def _apps(press: Press) -> Answer:
    return await apps.list_apps(ListApps(page=AppsButton.decode(press.value).page), press.caller)


async def _unsubscribe(press: Press) -> Answer:
    if not press.value.isdigit():
        raise NotAButton
    return await subscriptions.unsubscribe_number(int(press.value), press.caller)


async def _resume(press: Press) -> Answer | None:
    if not press.value.isdigit():
        raise NotAButton
    return await subscriptions.resume_number(int(press.value), press.caller)


async def _edit(press: Press) -> None:
    await subscription_modal.open_for(press.value, press.trigger_id, press.caller)


async def _tell_me(press: Press) -> Answer:
    return await personal.tell_me(*await _found(press), press.caller)


async def _claim(press: Press) -> None:
    await cards.claim(press.say.pressed, press.caller)


async def _snooze(press: Press) -> None:
    await cards.snooze(press.say.pressed, press.caller)


_ANSWERS: dict[str, Callable[[Press], Awaitable[Answer | None]]] = {
    actions.BUILD_SHOW: _show,
    actions.BUILD_REFRESH: _refresh,
    actions.BUILD_LOG: _log,
    actions.BUILD_ARTIFACTS: _artifacts,
    actions.BUILD_ABORT: _abort,
    actions.BUILD_REBUILD: _rebuild,
    actions.ARTIFACT_LINK: _artifact_link,
    actions.BUILDS_NEXT: _older_builds,
    actions.APPS_PAGE: _apps,
    actions.UNSUBSCRIBE: _unsubscribe,
    actions.SUBSCRIPTION_RESUME: _resume,
    actions.SUBSCRIPTION_EDIT: _edit,
    actions.BUILD_TELL_ME: _tell_me,
    actions.CARD_CLAIM: _claim,
    actions.CARD_SNOOZE: _snooze,
}
