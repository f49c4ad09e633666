"""Buttons about subscriptions, and about the person."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

import structlog

from bot.commands import Subscriptions
from bot.messages import AppButton, NotAButton, actions, read_provider
from bot.slack_errors import SlackCallFailed
from handlers import cards
from handlers.actions.press import Press, Respond, app_in, numbers_in
from handlers.answers import forms, subscriptions
from handlers.caller import Answer

log = structlog.get_logger()


async def _subscribe(press: Press) -> None:
    provider = AppButton.decode(press.value).provider
    await forms.open_subscribe(press.caller, provider, app_in(press))


async def _choose_app(press: Press) -> None:
    await forms.open_choose_app(press.caller, read_provider(press.value))


async def _settings(press: Press) -> None:
    await forms.open_settings(press.caller)


async def _unsubscribe(press: Press) -> Answer | None:
    return await _in_list(press, subscriptions.unsubscribe_by_ids(numbers_in(press), press.caller))


async def _pause(press: Press) -> Answer | None:
    return await _in_list(press, subscriptions.pause_by_id(_id(press), press.caller))


async def _resume(press: Press) -> Answer | None:
    return await _in_list(press, subscriptions.resume_by_ids(numbers_in(press), press.caller))


async def _in_list(press: Press, doing: Awaitable[Answer | None]) -> Answer | None:
    """Do it, and bring the list up to date on which it was pressed; also one that shows what has ended already."""
    try:
        said = await doing
    except subscriptions.NoSuchSubscription:
        await _refresh_list(press)
        raise
    await _refresh_list(press)
    return _and_home(press, said)


async def _refresh_list(press: Press) -> None:
    if not press.caller.channel:
        press.caller.desk.home_changed(press.caller.team, press.caller.person)
        return
    provider = press.caller.desk.clients.first
    listed = await subscriptions.list_subscriptions(Subscriptions(), press.caller, provider)
    try:
        await press.say.instead(listed.message)
    except SlackCallFailed as problem:
        # What was done is done, and the channel was told.
        log.info("list.not_refreshed", reason=problem.reason)


async def _edit(press: Press) -> None:
    await forms.open_subscription(_id(press), press.caller)


async def _claim(press: Press) -> None:
    await cards.claim(press.on, press.caller)


async def _snooze(press: Press) -> None:
    await cards.snooze(press.on, press.caller)


async def _unclaim(press: Press) -> None:
    await cards.unclaim(press.on, press.caller)


async def _end_snooze(press: Press) -> None:
    await cards.end_snooze(press.on, press.caller)


def _id(press: Press) -> int:
    if not press.value.isdecimal() or len(press.value) > 15:
        raise NotAButton
    return int(press.value)


def _and_home(press: Press, said: Answer | None) -> Answer | None:
    press.caller.desk.home_changed(press.caller.team, press.caller.person)
    return said


ANSWERS: Mapping[str, Respond] = {
    actions.UNSUBSCRIBE: _unsubscribe,
    actions.SUBSCRIPTION_PAUSE: _pause,
    actions.SUBSCRIPTION_RESUME: _resume,
    actions.CARD_CLAIM: _claim,
    actions.CARD_SNOOZE: _snooze,
    actions.CARD_UNCLAIM: _unclaim,
    actions.CARD_UNSNOOZE: _end_snooze,
}
FORMS: Mapping[str, Respond] = {
    actions.SUBSCRIPTION_EDIT: _edit,
    actions.SUBSCRIBE: _subscribe,
    actions.CHOOSE_APP: _choose_app,
    actions.SETTINGS: _settings,
}
