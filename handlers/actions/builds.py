"""Buttons about builds: cards, lists, aborting, starting again."""

from __future__ import annotations

from collections.abc import Mapping

from bot.commands import ListApps, ListBuilds, parse
from bot.messages import AppsButton, BuildButton, ListButton, NotAButton, actions
from handlers import cards
from handlers.actions.press import Press, Respond, app_in, found_build
from handlers.answers import acts, apps, builds, comparing, forms, personal
from handlers.caller import Answer


async def _show(press: Press) -> Answer:
    return Answer(await builds.card(*await found_build(press), press.caller), title="Build")


async def _refresh(press: Press) -> None:
    app, build = await found_build(press)
    if build.ended or await cards.is_run(press.on, press.caller):
        # A message of a subscription, or of a run, says more than the card: it is brought up to date as it is.
        press.caller.desk.lookout.look_now(app.provider)
        if await cards.refresh(press.on, press.caller):
            return
    await press.say.instead(await builds.card(app, build, press.caller))


async def _compare(press: Press) -> Answer:
    return await comparing.compare(*await found_build(press), press.caller)


async def _rebuild(press: Press) -> Answer | None:
    return await acts.rebuild_build(*await found_build(press), press.caller)


async def _older_builds(press: Press) -> Answer:
    button = ListButton.decode(press.value)
    ask = parse(button.words, surface="slash")
    if not isinstance(ask, ListBuilds):
        raise NotAButton
    return await builds.list_builds(ask, press.caller, start=button.start)


async def _apps(press: Press) -> Answer:
    return await apps.list_apps(ListApps(page=AppsButton.decode(press.value).page), press.caller)


async def _tell_me(press: Press) -> Answer:
    return await personal.tell_me(*await found_build(press), press.caller)


async def _abort(press: Press) -> None:
    await forms.open_abort(BuildButton.decode(press.value), press.caller, press.on, press.response_url)


async def _start(press: Press) -> None:
    await forms.open_start(press.caller, app_in(press))


async def _find(press: Press) -> None:
    await forms.open_find(press.caller)


ANSWERS: Mapping[str, Respond] = {
    actions.BUILD_SHOW: _show,
    actions.BUILD_REFRESH: _refresh,
    actions.BUILD_COMPARE: _compare,
    actions.BUILD_REBUILD: _rebuild,
    actions.BUILDS_NEXT: _older_builds,
    actions.APPS_PAGE: _apps,
    actions.BUILD_TELL_ME: _tell_me,
}
FORMS: Mapping[str, Respond] = {
    actions.BUILD_ABORT: _abort,
    actions.START_BUILD: _start,
    actions.FIND_BUILD: _find,
}
