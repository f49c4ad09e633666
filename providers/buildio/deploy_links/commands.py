"""Apps of Build.io that a channel ties to apps of Bitrise, and what comes of it: their builds go live by a press."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from domain.build import App
from domain.errors import NoAccess, NotFound
from domain.notifications.deploy_link import Tie
from domain.provider import Provider
from messages.deploy_buttons import OfferButton
from messages.kit.button_values import NotAButton
from providers.buildio.actions import Deploy
from providers.buildio.commands import Link, ListTies, Unlink
from providers.buildio.deploy_links import messages
from services.actions import run
from services.actions.permissions import check_permitted, permitted
from services.features.subscriptions.commands import current_app, must_see
from services.lookup.app_names import UnknownApp
from services.lookup.app_names import find_app as app_named
from services.request.context import Answer, Audience, Caller
from services.request.finder import NotNamed, by_slugs, find_app

# All of them fit into one list.
MOST_TIES = 30


async def link(ask: Link, caller: Caller) -> Answer:
    """Tie an app of Build.io to one of Bitrise in the caller's channel; the person must see both.

    Raises NotAllowed, NotNamed, UnknownApp, AmbiguousApp, ProviderError.
    """
    app = await current_app(await find_app(caller, ask.app, Provider.BUILDIO), caller)
    bitrise = await caller.apps.find(ask.bitrise)
    about = {"label": f"{app.title} to {bitrise.title}", "bitrise": bitrise.slug}
    about |= {"branch": ",".join(ask.branches)} if ask.branches else {}
    async with permitted(caller, "tie", Provider.BUILDIO, app, about=about):
        for one in (app, bitrise):
            await must_see(one, caller)
        ties = caller.storage.ties
        if len(await ties.of_channel(caller.channel)) >= MOST_TIES:
            raise NotNamed(
                f"{MOST_TIES} apps are tied in this channel already. Untie one with `/buildio unlink APP` first."
            )
        tie = await ties.add(caller.channel, app, bitrise, ask.branches, by=caller.person, at=caller.now())
    return Answer(messages.tied(tie, by=caller.person), Audience.CHANNEL)


async def unlink(ask: Unlink, caller: Caller) -> Answer:
    """Ask whether an app is to be untied from those of Bitrise, or from one of them; it need not be there any more.

    Raises NotAllowed, NotNamed, AmbiguousApp.
    """
    found = await _meant(ask, caller)
    await check_permitted(
        caller, "untie", Provider.BUILDIO, await current_app(found[0].app, caller), about=_about(found)
    )
    return Answer(messages.untie_question(found), Audience.ONE_PERSON)


async def untie_numbers(numbers: Sequence[int], caller: Caller) -> Answer:
    """Untie what a button names. Raises NotAllowed, NotNamed."""
    found = [
        tie for one in numbers if (tie := await caller.storage.ties.find(caller.channel, one)) is not None
    ]
    if not found:
        raise NotNamed("This is not tied any more.")
    return await _untie(found, caller)


async def list_ties(_ask: ListTies, caller: Caller) -> Answer:
    """What is tied in the caller's channel."""
    return Answer(messages.tie_list(await caller.storage.ties.of_channel(caller.channel)))


async def deploy(offer: OfferButton, caller: Caller) -> Answer | None:
    """Let what a build at Bitrise was made of go live, as the person's own Build.io account.

    Tie and build are looked up again: what a button says is what was, and anybody may have written it.
    Raises NotAButton, NotAllowed, NotNamed, ProviderError.
    """
    tie = await caller.storage.ties.find(caller.channel, offer.tie)
    if tie is None:
        raise NotNamed("That app is not tied here any more. `/buildio link` shows what is.")
    if tie.bitrise.slug != offer.app:
        raise NotAButton
    app, build = await by_slugs(caller, offer.app, offer.build)
    if (why := tie.misfit(build)) is not None:
        raise NotNamed(f"I can't deploy {app.title} {build.label} to {tie.app.title} any more, since {why}.")
    return (await run.do(Deploy.of_build(build, app, await _target(tie, caller)), caller)).answer


async def _target(tie: Tie, caller: Caller) -> App:
    """The tied app as it is called now, which is what rules are about. Raises NotNamed, ProviderError."""
    if not await caller.may_act(Provider.BUILDIO):
        return tie.app  # whoever has no account is refused by the policy, which writes that down
    try:
        return await caller.own_apps(Provider.BUILDIO).ask_for(tie.app.slug)
    except (NotFound, NoAccess) as error:
        raise NotNamed(
            f"Your account at Build.io does not see {tie.app.title}, or it is not there any more."
        ) from error


def _about(found: Sequence[Tie]) -> dict[str, str]:
    return {"label": "; ".join(f"{one.app.title} from {one.bitrise.title}" for one in found[:5])}


async def _untie(found: list[Tie], caller: Caller) -> Answer:
    app = await current_app(found[0].app, caller)
    async with permitted(caller, "untie", Provider.BUILDIO, app, about=_about(found)):
        await caller.storage.ties.remove(caller.channel, [one.number for one in found])
    return Answer(messages.untied(found, by=caller.person), Audience.CHANNEL)


async def _meant(ask: Unlink, caller: Caller) -> list[Tie]:
    """The channel's ties that are meant, all of one app of Build.io. Raises NotNamed, AmbiguousApp."""
    ties = await caller.storage.ties.of_channel(caller.channel)
    app = await _app_meant(ask.app, [one.app for one in ties], caller)
    ties = [one for one in ties if one.app.slug == app.slug]
    if ask.bitrise is not None:
        bitrise = _tied(ask.bitrise, [one.bitrise for one in ties])
        ties = [one for one in ties if one.bitrise.slug == bitrise.slug]
    return ties


async def _app_meant(words: str | None, tied: list[App], caller: Caller) -> App:
    if words is not None:
        return _tied(words, tied)
    by_slug = {one.slug: one for one in tied}
    default = await caller.storage.channels.default_app(caller.channel, Provider.BUILDIO)
    if default in by_slug:
        return by_slug[default]
    if len(by_slug) == 1:
        return next(iter(by_slug.values()))
    raise NotNamed("Which app? Name it: `/buildio unlink APP`. `/buildio link` shows what is tied here.")


def _tied(words: str, tied: Iterable[App]) -> App:
    try:
        return app_named(words, list({one.slug: one for one in tied}.values()))
    except UnknownApp as unknown:
        raise NotNamed(f"{words} is not tied here. `/buildio link` shows what is.") from unknown


ANSWERS: Mapping[type[Any], Callable[[Any, Caller], Awaitable[Answer | None]]] = {
    Link: link,
    Unlink: unlink,
    ListTies: list_ties,
}
