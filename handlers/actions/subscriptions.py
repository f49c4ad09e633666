"""Buttons about subscriptions, and about the person."""

from __future__ import annotations

from collections.abc import Mapping

from bot.messages import AppButton, NotAButton, actions, read_provider
from handlers import cards
from handlers.actions.press import Press, Respond, app_in
from handlers.answers import forms, subscriptions
from handlers.caller import Answer


async def _subscribe(press: Press) -> None:
    provider = AppButton.decode(press.value).provider
    await forms.open_subscribe(press.caller, provider, app_in(press))


async def _choose_app(press: Press) -> None:
    await forms.open_choose_app(press.caller, read_provider(press.value))


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


async def _claim(press: Press) -> None:
    await cards.claim(press.on, press.caller)


async def _snooze(press: Press) -> None:
    await cards.snooze(press.on, press.caller)


def _number(press: Press) -> int:
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
}
FORMS: Mapping[str, Respond] = {
    actions.SUBSCRIPTION_EDIT: _edit,
    actions.SUBSCRIBE: _subscribe,
    actions.CHOOSE_APP: _choose_app,
    actions.SETTINGS: _settings,
}
