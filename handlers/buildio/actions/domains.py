"""Buttons about domains: on their list, on an app's card, on the question before one goes."""

from __future__ import annotations

from collections.abc import Mapping

from bot.messages import actions
from bot.messages.buildio import DomainButton
from handlers.actions.press import Press, Respond
from handlers.buildio import domains
from handlers.buildio.actions.named import app_of
from handlers.caller import Answer


async def _list(press: Press) -> Answer:
    return Answer(await domains.shown(await app_of(press), press.caller), title=domains.TITLE)


async def _refresh(press: Press) -> None:
    await press.say.instead(await domains.shown(await app_of(press), press.caller))


async def _remove(press: Press) -> Answer | None:
    return await domains.remove_one(
        await app_of(press), DomainButton.decode(press.value).domain, press.caller
    )


async def _add(press: Press) -> Answer | None:
    return await domains.open_add(await app_of(press), press.caller)


async def _certificate(press: Press) -> None:
    about = DomainButton.decode(press.value)
    await domains.open_certificate(await app_of(press), about.domain, press.caller)


async def _clear(press: Press) -> None:
    await domains.open_clear(await app_of(press), press.caller)


ANSWERS: Mapping[str, Respond] = {
    actions.BUILDIO_DOMAINS: _list,
    actions.BUILDIO_DOMAINS_REFRESH: _refresh,
    actions.BUILDIO_DOMAIN_REMOVE: _remove,
}
FORMS: Mapping[str, Respond] = {
    actions.BUILDIO_DOMAIN_ADD: _add,
    actions.BUILDIO_DOMAIN_CERTIFICATE: _certificate,
    actions.BUILDIO_DOMAINS_CLEAR: _clear,
}
