"""Buttons, wherever they are: on messages, below links, in modals, on the Home."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from slack_bolt.app.async_app import AsyncApp
from slack_bolt.async_app import AsyncAck

from bot import messages
from bot.build import App, Build
from bot.commands import ListApps, ListBuilds, parse
from bot.messages import (
    AppButton,
    AppsButton,
    ArtifactButton,
    BuildButton,
    ListButton,
    LogButton,
    NotAButton,
    PipelineButton,
    RequestButton,
    actions,
    artifacts_of_block,
    log_of_block,
    read_picked,
    sent_to_you,
)
from handlers import cards
from handlers.answers import (
    acts,
    approvals,
    apps,
    builds,
    comparing,
    forms,
    logs,
    personal,
    pipelines,
    results,
    subscriptions,
)
from handlers.caller import Answer, Audience, Caller
from handlers.desk import Desk
from handlers.finding import by_slugs
from handlers.listening import Listening
from handlers.panes import ToPane
from handlers.saying import Pressed, Replacing, ToResponseUrl
from handlers.trouble import say_or_explain


@dataclass(frozen=True)
class Press:
    """A button that somebody pressed: what it carries, who pressed it, and where the answer goes.

    Of a list `value` is what was picked; `block` is the block that it stands in, and `state` what else is picked.
    """

    value: str
    caller: Caller
    say: Replacing
    on: Pressed | None
    response_url: str | None
    block: str = ""
    state: Mapping[str, Any] = field(default_factory=dict)


Respond = Callable[[Press], Coroutine[Any, Any, Answer | None]]


def register(app: AsyncApp, desk: Desk, listening: Listening) -> None:
    """Listen to every button that the messages have."""
    for action_id, answer in _ANSWERS.items():
        _listen(app, action_id, answer, desk, listening, form=False)
    for action_id, answer in _FORMS.items():
        _listen(app, action_id, answer, desk, listening, form=True)

    @app.action(re.compile(f"^{actions.OPEN_LINK}"))
    async def opened(ack: AsyncAck) -> None:
        await ack()  # Slack tells of a link's click too; there is nothing to do


def _listen(
    app: AsyncApp, action_id: str, answer: Respond, desk: Desk, listening: Listening, *, form: bool
) -> None:
    """Answer presses; a `form` opens a modal of its own, at once."""

    @app.action(re.compile(f"^{action_id}(_next)?$"))
    async def pressed(ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        await ack()
        async with listening.answering(action_id):
            caller, on, url = Caller.in_body(body, desk), Pressed.in_body(body), body.get("response_url")
            say: Replacing = (
                ToPane(caller, waits=not form) if caller.pane is not None else ToResponseUrl(caller, url, on)
            )
            picked = (action.get("selected_option") or {}).get("value")
            value = str(action.get("value") or picked or "")
            state = (body.get("state") or (body.get("view") or {}).get("state") or {}).get("values") or {}
            block = str(action.get("block_id") or "")
            press = Press(value, caller, say, on, url, block=block, state=state)
            await say_or_explain(answer(press), say)


async def _found(press: Press) -> tuple[App, Build]:
    button = BuildButton.decode(press.value)
    return await by_slugs(press.caller, button.app, button.build)


async def _show(press: Press) -> Answer:
    return Answer(await builds.card(*await _found(press), press.caller), title="Build")


async def _refresh(press: Press) -> None:
    app, build = await _found(press)
    if build.ended and await cards.refresh(press.on, press.caller):
        return  # a message of a subscription says more than the card, and is brought up to date as it is
    await press.say.instead(await builds.card(app, build, press.caller))


async def _compare(press: Press) -> Answer:
    return await comparing.compare(*await _found(press), press.caller)


async def _pipeline(press: Press) -> Answer:
    app, one = await pipelines.found(PipelineButton.decode(press.value), press.caller)
    return Answer(messages.pipeline_card(one, app, now=press.caller.now()), title=pipelines.TITLE)


async def _pipeline_refresh(press: Press) -> None:
    if await cards.refresh(press.on, press.caller):
        return  # a subscription's message is kept up to date by what the watcher sees
    await press.say.instead((await _pipeline(press)).message)


async def _pipeline_rebuild(press: Press) -> Answer:
    return await pipelines.rebuild(PipelineButton.decode(press.value), press.caller, failed_only=False)


async def _pipeline_rebuild_failed(press: Press) -> Answer:
    return await pipelines.rebuild(PipelineButton.decode(press.value), press.caller, failed_only=True)


async def _approve(press: Press) -> Answer | None:
    return await _decide(press, approved=True)


async def _decline(press: Press) -> Answer | None:
    return await _decide(press, approved=False)


async def _decide(press: Press, *, approved: bool) -> Answer | None:
    said = await approvals.decide(RequestButton.decode(press.value), press.caller, approved=approved)
    storage, on = press.caller.desk.storage, press.on
    # A message that asks for the decision is itself changed, and says who decided.
    asked = on is not None and on.ts is not None and await storage.messages.at(on.channel, on.ts)
    return None if asked else said


async def _log(press: Press) -> Answer:
    return await logs.log_of(*await _found(press), press.caller, thread=press.on.ts if press.on else None)


async def _log_step(press: Press) -> Answer:
    about = log_of_block(press.block)
    app, build = await by_slugs(press.caller, about.app, about.build)
    if not press.value.isdigit() or len(press.value) > 4:
        raise NotAButton
    return await logs.log_of(app, build, press.caller, step=int(press.value), thread=about.thread)


async def _log_file(press: Press) -> Answer | None:
    return await logs.hand_over(LogButton.decode(press.value), press.caller, share=False)


async def _log_share(press: Press) -> Answer | None:
    return await logs.hand_over(LogButton.decode(press.value), press.caller, share=True)


async def _log_follow(press: Press) -> Answer:
    about = LogButton.decode(press.value)
    app, build = await by_slugs(press.caller, about.app, about.build)
    if build.ended:
        return await logs.log_of(app, build, press.caller)
    await press.caller.desk.following.begin(app, build, press.caller)
    said = sent_to_you("I follow the log in our direct messages, for ten minutes at most.")
    return Answer(said, Audience.ONE_PERSON, title=logs.TITLE)


async def _log_search(press: Press) -> None:
    await forms.open_search(LogButton.decode(press.value), press.caller)


async def _artifacts(press: Press) -> Answer:
    return await results.artifacts_of(*await _found(press), press.caller)


async def _artifact_link(press: Press) -> Answer:
    return await results.artifact_link(ArtifactButton.decode(press.value), press.caller)


async def _artifact_renew(press: Press) -> None:
    fresh = await results.artifact_link(ArtifactButton.decode(press.value), press.caller)
    await press.say.instead(fresh.message)


async def _artifact_links(press: Press) -> Answer:
    picked = read_picked(press.state, press.block)
    return await results.artifact_links(artifacts_of_block(press.block), picked, press.caller)


async def _artifact_public(press: Press) -> Answer:
    return await results.set_public(ArtifactButton.decode(press.value), press.caller, public=True)


async def _artifact_private(press: Press) -> Answer:
    return await results.set_public(ArtifactButton.decode(press.value), press.caller, public=False)


async def _artifact_qr(press: Press) -> Answer | None:
    thread = press.on.ts if press.on is not None else None
    return await results.install_code(ArtifactButton.decode(press.value), thread, press.caller)


async def _abort(press: Press) -> None:
    await forms.open_abort(BuildButton.decode(press.value), press.caller, press.on, press.response_url)


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


async def _start(press: Press) -> None:
    await forms.open_start(press.caller, _app(press))


async def _subscribe(press: Press) -> None:
    await forms.open_subscribe(press.caller, _app(press))


async def _find(press: Press) -> None:
    await forms.open_find(press.caller)


async def _choose_app(press: Press) -> None:
    await forms.open_choose_app(press.caller)


async def _settings(press: Press) -> None:
    await forms.open_settings(press.caller)


async def _unsubscribe(press: Press) -> Answer | None:
    return _and_home(press, await subscriptions.unsubscribe_number(_number(press), press.caller))


async def _pause(press: Press) -> Answer | None:
    return _and_home(press, await subscriptions.pause_number(_number(press), press.caller))


async def _resume(press: Press) -> Answer | None:
    return _and_home(press, await subscriptions.resume_number(_number(press), press.caller))


async def _edit(press: Press) -> None:
    await forms.open_subscription(_number(press), press.caller)


async def _tell_me(press: Press) -> Answer:
    return await personal.tell_me(*await _found(press), press.caller)


async def _claim(press: Press) -> None:
    await cards.claim(press.on, press.caller)


async def _snooze(press: Press) -> None:
    await cards.snooze(press.on, press.caller)


def _number(press: Press) -> int:
    if not press.value.isdigit() or len(press.value) > 15:
        raise NotAButton
    return int(press.value)


def _app(press: Press) -> App | None:
    button = AppButton.decode(press.value)
    return App(slug=button.app, title=button.title or button.app) if button.app else None


def _and_home(press: Press, said: Answer | None) -> Answer | None:
    press.caller.desk.home_changed(press.caller.person)
    return said


_ANSWERS: dict[str, Respond] = {
    actions.BUILD_SHOW: _show,
    actions.BUILD_REFRESH: _refresh,
    actions.BUILD_COMPARE: _compare,
    actions.PIPELINE_SHOW: _pipeline,
    actions.REQUEST_APPROVE: _approve,
    actions.REQUEST_DECLINE: _decline,
    actions.PIPELINE_REFRESH: _pipeline_refresh,
    actions.PIPELINE_REBUILD: _pipeline_rebuild,
    actions.PIPELINE_REBUILD_FAILED: _pipeline_rebuild_failed,
    actions.BUILD_LOG: _log,
    actions.LOG_STEP: _log_step,
    actions.LOG_FILE: _log_file,
    actions.LOG_SHARE: _log_share,
    actions.LOG_FOLLOW: _log_follow,
    actions.BUILD_ARTIFACTS: _artifacts,
    actions.BUILD_REBUILD: _rebuild,
    actions.ARTIFACT_LINK: _artifact_link,
    actions.ARTIFACT_RENEW: _artifact_renew,
    actions.ARTIFACT_LINKS: _artifact_links,
    actions.ARTIFACT_PUBLIC: _artifact_public,
    actions.ARTIFACT_PRIVATE: _artifact_private,
    actions.ARTIFACT_QR: _artifact_qr,
    actions.BUILDS_NEXT: _older_builds,
    actions.APPS_PAGE: _apps,
    actions.UNSUBSCRIBE: _unsubscribe,
    actions.SUBSCRIPTION_PAUSE: _pause,
    actions.SUBSCRIPTION_RESUME: _resume,
    actions.BUILD_TELL_ME: _tell_me,
    actions.CARD_CLAIM: _claim,
    actions.CARD_SNOOZE: _snooze,
}
_FORMS: dict[str, Respond] = {
    actions.BUILD_ABORT: _abort,
    actions.SUBSCRIPTION_EDIT: _edit,
    actions.START_BUILD: _start,
    actions.SUBSCRIBE: _subscribe,
    actions.FIND_BUILD: _find,
    actions.CHOOSE_APP: _choose_app,
    actions.SETTINGS: _settings,
    actions.LOG_SEARCH: _log_search,
}
