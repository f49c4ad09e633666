"""Buttons on messages."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from bot import messages
from bot.build import App, Build
from bot.commands import ListApps, ListBuilds, parse
from bot.messages import AppsButton, ArtifactButton, BuildButton, ListButton, NotAButton, actions
from handlers.abort_modal import Origin, pressed_in
from handlers.answers import acts, apps, builds, results, subscriptions
from handlers.caller import Answer, Caller
from handlers.desk import Desk
from handlers.finding import by_slugs
from handlers.listening import Listening
from handlers.saying import ToResponseUrl
from handlers.trouble import in_words

Press = Callable[[str, Caller, ToResponseUrl], Awaitable[Answer | None]]


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Listen to every button that the messages have."""
    for action_id, press in _PRESSES.items():
        _listen(app, action_id, press, desk, listening)

    @app.action(re.compile(f"^{actions.OPEN_LINK}"))
    async def opened(ack: AsyncAck) -> None:
        await ack()  # Slack tells of a link's click too; there is nothing to do

    @app.action(actions.BUILD_ABORT)
    async def abort(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        await ack()
        async with listening.answering(actions.BUILD_ABORT):
            origin = Origin.of(body, action["value"])
            # Opened before anything is looked up: a trigger_id lives three seconds (Slack's rules, "Answering").
            await desk.slack.views_open(
                trigger_id=body["trigger_id"],
                view=messages.abort_modal(origin.button, private_metadata=origin.encode()),
            )


def _listen(app: AsyncApp, action_id: str, press: Press, desk: Desk, listening: Listening) -> None:
    @app.action(re.compile(f"^{action_id}(_next)?$"))
    async def pressed(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        await ack()
        async with listening.answering(action_id):
            place = pressed_in(body)
            caller = Caller(
                desk=desk,
                person=body["user"]["id"],
                name=body["user"].get("username") or body["user"].get("name"),
                team=(body.get("team") or {}).get("id") or "",
                channel=place.channel,
            )
            say = ToResponseUrl(caller, body.get("response_url"), place)
            try:
                said = await press(action.get("value") or "", caller, say)
            except Exception as error:  # noqa: BLE001 - whatever went wrong, the person hears of it
                said = Answer(in_words(error))
            if said is not None:
                await say(said)


async def _found(value: str, caller: Caller) -> tuple[App, Build]:
    button = BuildButton.decode(value)
    return await by_slugs(caller, button.app, button.build)


async def _show(value: str, caller: Caller, _say: ToResponseUrl) -> Answer:
    app, build = await _found(value, caller)
    return Answer(messages.build_card(build, app, now=caller.now()))


async def _refresh(value: str, caller: Caller, say: ToResponseUrl) -> None:
    app, build = await _found(value, caller)
    await say.instead(messages.build_card(build, app, now=caller.now()))


async def _log(value: str, caller: Caller, _say: ToResponseUrl) -> Answer:
    return await results.log_of(*await _found(value, caller), caller)


async def _artifacts(value: str, caller: Caller, _say: ToResponseUrl) -> Answer:
    return await results.artifacts_of(*await _found(value, caller), caller)


async def _artifact_link(value: str, caller: Caller, _say: ToResponseUrl) -> Answer:
    button = ArtifactButton.decode(value)
    return await results.artifact_link(button.app, button.build, button.artifact, caller)


async def _rebuild(value: str, caller: Caller, _say: ToResponseUrl) -> Answer:
    return await acts.rebuild_build(*await _found(value, caller), caller)


async def _older_builds(value: str, caller: Caller, _say: ToResponseUrl) -> Answer:
    button = ListButton.decode(value)
    ask = parse(button.words, surface="slash")
    if not isinstance(ask, ListBuilds):
        raise NotAButton
    return await builds.list_builds(ask, caller, start=button.start)


async def _apps(value: str, caller: Caller, _say: ToResponseUrl) -> Answer:
    return await apps.list_apps(ListApps(page=AppsButton.decode(value).page), caller)


async def _unsubscribe(value: str, caller: Caller, _say: ToResponseUrl) -> Answer:
    if not value.isdigit():
        raise NotAButton
    return await subscriptions.unsubscribe_number(int(value), caller)


_PRESSES: dict[str, Press] = {
    actions.BUILD_SHOW: _show,
    actions.BUILD_REFRESH: _refresh,
    actions.BUILD_LOG: _log,
    actions.BUILD_ARTIFACTS: _artifacts,
    actions.BUILD_REBUILD: _rebuild,
    actions.ARTIFACT_LINK: _artifact_link,
    actions.BUILDS_NEXT: _older_builds,
    actions.APPS_PAGE: _apps,
    actions.UNSUBSCRIBE: _unsubscribe,
}
