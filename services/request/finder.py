"""From what a person wrote to the app or the build that they mean."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from domain.build import App, Build
from domain.commands.shared_commands import BuildRef
from domain.errors import Forbidden, NotConnected, NotFound, ProviderError
from domain.provider import Provider
from domain.subscription import Subscription
from providers.bitrise.api.requests import BuildQuery
from services.request.context import RequestContext

# A link names a build but not its app. Where no app near the asker has it, it is looked for among this many pages of
# the newest builds of all apps,
PAGES_SEARCHED = 4
# and then in so many of the other apps that they may see, so many of them at a time.
MOST_APPS_ASKED = 50
APPS_ASKED_AT_ONCE = 5
# Nobody has asked for what stands below a shared link: it is looked for less far, and in all links of one message
# together with no more than so many requests.
APPS_ASKED_FOR_LINKS = 10
REQUESTS_FOR_LINKS = 25


@dataclass
class SearchLimits:
    """How far builds are looked for whose app is not named; `requests` are those left for all of them together."""

    near: int = MOST_APPS_ASKED
    pages: int = PAGES_SEARCHED
    others: int = MOST_APPS_ASKED
    requests: int | None = None

    @classmethod
    def for_links(cls) -> SearchLimits:
        """Return those of the links in one message."""
        return cls(near=APPS_ASKED_FOR_LINKS, pages=1, others=0, requests=REQUESTS_FOR_LINKS)

    def take(self, wanted: int) -> int:
        """Use up so many requests, or those that are left; returns their number."""
        if self.requests is None:
            return wanted
        taken = min(wanted, self.requests)
        self.requests -= taken
        return taken

    @property
    def kind(self) -> str:
        """What tells a wide search from one that ends sooner."""
        return f"{self.near} {self.pages} {self.others}"


class UserError(Exception):
    """What is meant can't be told; the sentence says what to write instead."""


class AppNotGiven(UserError):
    """Which app is meant can't be told."""


async def find_app(context: RequestContext, words: str | None, provider: Provider = Provider.BITRISE) -> App:
    """The provider's app that the words name; without words the channel's: its default, or the only one it could mean.

    Whichever way it is found, it is one of those that the caller may see now, as it is called now. What is stored only
    says which one could be meant. Raises UserError, UnknownApp, AmbiguousApp or ProviderError.
    """
    apps = context.apps_of(provider)
    if words is not None:
        return await apps.find(words)
    if (slug := await slug_of_channel(context, provider)) is not None:
        try:
            return await apps.require(slug)
        except (NotFound, Forbidden) as error:
            raise UserError(
                f"I can't see this channel's app any more, or your {provider.label} account can't. Name an app, or"
                f" choose another for this channel with `{provider.command} use APP`."
            ) from error
    everything = await apps.all()
    if len(everything) == 1:
        return everything[0]
    if not everything and (limit := await apps.limit()) is not None:
        raise limit
    raise AppNotGiven(
        f"Which app? Name it in the command, or choose one for this channel with `{provider.command} use APP`."
    )


async def channels_app(context: RequestContext, provider: Provider = Provider.BITRISE) -> App | None:
    """The app that a command in this channel means where it names none; None where there is none for the caller.

    It is one of those that are known within a list's patience, since forms are opened with it.
    """
    if (slug := await slug_of_channel(context, provider)) is None:
        return None
    return next((app for app in await context.apps_of(provider).in_time() if app.slug == slug), None)


async def slug_of_channel(context: RequestContext, provider: Provider) -> str | None:
    """The app that the channel has chosen, or else the only one that it has subscribed to."""
    default = await context.storage.channels.default_app(context.channel, provider)
    if default is not None:
        return default
    subscriptions = await context.storage.subscriptions.of_channel(context.channel)
    slugs = {one.app.slug for one in subscriptions if one.app is not None and one.app.provider is provider}
    return slugs.pop() if len(slugs) == 1 else None


async def find_build(
    context: RequestContext, app_words: str | None, ref: BuildRef, limits: SearchLimits | None = None
) -> tuple[App, Build]:
    """The build that is meant, with its app. Raises what `find_app` does, and NotFound."""
    if ref.number is not None:
        app = await find_app(context, app_words)
        return app, await _by_number(context, app, ref.number)
    slug = ref.slug or ""
    if app_slug := ref.app_slug:
        app = await app_by_slug(context, app_slug)
    elif app_words is not None:
        app = await find_app(context, app_words)
    else:
        return await _find_by_slug(context, slug, limits or SearchLimits())
    return app, await context.bitrise.build(app.slug, slug)


async def app_by_slug(context: RequestContext, slug: str, provider: Provider = Provider.BITRISE) -> App:
    """The app that a button or list names. Raises ProviderError, also where the person may not see it."""
    return await context.apps_of(provider).require(slug)


async def by_slugs(context: RequestContext, app_slug: str, build_slug: str) -> tuple[App, Build]:
    """The build that a button names, with its app. Raises ProviderError."""
    app = await app_by_slug(context, app_slug)
    return app, await context.bitrise.build(app_slug, build_slug)


async def _by_number(context: RequestContext, app: App, number: int) -> Build:
    async for build in context.bitrise.builds(app.slug, BuildQuery(build_number=number)):
        # checked, since a server that does not know the filter would answer with any build
        if build.number == number:
            return build
        if build.number is not None and build.number < number:
            break
    raise UserError(f"{app.title} has no build #{number}. `/bitrise builds` lists the latest ones.")


async def _find_by_slug(context: RequestContext, build_slug: str, limits: SearchLimits) -> tuple[App, Build]:
    """The build that is known by its slug alone, with its app. Raises UserError, ProviderError.

    It is asked for in the apps that are near first: the channel's own, those that it follows, those that any channel
    follows. The list of all apps' builds comes after them, since it ends where the search has to give up, and not every
    server has it (the seed documents name none). Nothing is asked of an app that the person may not see.
    """
    if (known := await context.services.storage.watching.build(Provider.BITRISE, build_slug)) is not None:
        app = await app_by_slug(context, known.build.app_slug)
        return app, await context.bitrise.build(app.slug, build_slug)
    misses = context.services.clients.bitrise.of(context.team, context.identity).misses
    key = (limits.kind, context.channel, build_slug)
    if not misses.has(key, context.now()):
        found = await _look_for(context, build_slug, limits)
        if isinstance(found, tuple):
            return found
        if found is not None:
            raise found
        if limits.requests != 0:
            misses.add(key, context.now())
    if (limit := await context.apps.limit()) is not None:
        raise limit
    raise UserError(
        "I can't tell which app that build belongs to. Name the app too: `/bitrise build APP LINK`, "
        "or use the build's number: `/bitrise build APP #12`."
    )


async def _look_for(
    context: RequestContext, build_slug: str, limits: SearchLimits
) -> tuple[App, Build] | ProviderError | None:
    """The build with its app; where it is nowhere: what went wrong with an app that could not be asked, or None."""
    visible = {app.slug: app for app in await context.apps.all()}
    near = (await _apps_near(context, visible))[: limits.near]
    found = await _ask_apps(context, near, build_slug, limits)
    if isinstance(found, tuple):
        return found
    if (app_slug := await _search(context, build_slug, limits)) is not None:
        app = visible.get(app_slug) or await app_by_slug(context, app_slug)
        return app, await context.bitrise.build(app.slug, build_slug)
    others = [app for app in visible.values() if app not in near]
    elsewhere = await _ask_apps(context, others[: limits.others], build_slug, limits)
    return elsewhere if isinstance(elsewhere, tuple) else found or elsewhere


async def _apps_near(context: RequestContext, visible: Mapping[str, App]) -> Sequence[App]:
    """The apps to look in first, nearest first, of those that the person may see."""
    subscriptions = context.storage.subscriptions
    default = await context.storage.channels.default_app(context.channel, Provider.BITRISE)
    here = [
        *([default] if default is not None else []),
        *_followed(await subscriptions.of_channel(context.channel)),
    ]
    near: dict[str, App] = {}
    for slug in dict.fromkeys(here):
        with suppress(NotFound, Forbidden, NotConnected):
            near[slug] = visible.get(slug) or await app_by_slug(context, slug)
    for slug in _followed(await subscriptions.of_all_channels()):
        if slug in visible:
            near.setdefault(slug, visible[slug])
    return list(near.values())[:MOST_APPS_ASKED]


def _followed(subscriptions: Iterable[Subscription]) -> list[str]:
    apps = (one.app for one in subscriptions)
    return [app.slug for app in apps if app is not None and app.provider is Provider.BITRISE]


async def _ask_apps(
    context: RequestContext, apps: Sequence[App], build_slug: str, limits: SearchLimits
) -> tuple[App, Build] | ProviderError | None:
    """Ask some of the apps at a time for the build; returns the first that has it.

    Where none has it: what went wrong with one that could not be asked, or None.
    """

    async def ask(app: App) -> Build | ProviderError:
        try:
            return await context.bitrise.build(app.slug, build_slug)
        except ProviderError as error:
            return error

    problem: ProviderError | None = None
    for start in range(0, len(apps), APPS_ASKED_AT_ONCE):
        asked = apps[start : start + APPS_ASKED_AT_ONCE]
        asked = asked[: limits.take(len(asked))]
        for app, said in zip(asked, await asyncio.gather(*map(ask, asked)), strict=True):
            if isinstance(said, ProviderError):
                problem = problem if isinstance(said, NotFound | Forbidden) else said
            elif said.slug == build_slug:
                return app, said
    return problem


async def _search(context: RequestContext, build_slug: str, limits: SearchLimits) -> str | None:
    """The app of the build among the newest of all apps; None where it is not there, or there is no such list."""
    pages = 0
    if not limits.take(1):
        return None
    try:
        async for page in context.bitrise.all_builds().pages():
            for build in page.items:
                if build.slug == build_slug:
                    return build.app_slug
            pages += 1
            if pages == limits.pages or not limits.take(1):
                break
    except (NotFound, Forbidden):
        pass
    return None
