"""Find the app or build that a user means."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from domain.build import App, Build
from domain.commands.arguments import BuildRef
from domain.commands.errors import UserError
from domain.provider import Provider
from domain.provider_client import BuildClient, BuildQuery
from domain.provider_errors import Forbidden, NotConnected, NotFound, ProviderError
from domain.subscription import Subscription
from services.request.context import RequestContext

# A link names a build but not its app. If no nearby app has it, this many pages of the newest builds of all apps are
# searched,
PAGES_SEARCHED = 4
# and then up to this many of the other apps that the user may see, this many at a time.
MAX_APPS_ASKED = 50
APPS_ASKED_AT_ONCE = 5
# The preview of a shared link is unsolicited: it searches fewer apps, with at most this many requests for all links of
# a message together.
APPS_ASKED_FOR_LINKS = 10
REQUESTS_FOR_LINKS = 25


@dataclass
class SearchLimits:
    """Limits of searches for builds whose app is not named; `requests` is what is left for all of them together."""

    near: int = MAX_APPS_ASKED
    pages: int = PAGES_SEARCHED
    others: int = MAX_APPS_ASKED
    requests: int | None = None

    @classmethod
    def for_links(cls) -> SearchLimits:
        """Return the limits for the links in one message."""
        return cls(near=APPS_ASKED_FOR_LINKS, pages=1, others=0, requests=REQUESTS_FOR_LINKS)

    def take(self, wanted: int) -> int:
        """Use up `wanted` requests, or as many as are left; return how many."""
        if self.requests is None:
            return wanted
        taken = min(wanted, self.requests)
        self.requests -= taken
        return taken

    @property
    def key(self) -> str:
        """A cache key that tells a wide search from a narrow one."""
        return f"{self.near} {self.pages} {self.others}"


class AppNotGiven(UserError):
    """A request that names no app, in a channel without a default app."""


class BuildsNotListed(UserError):
    """The provider has no lists of builds."""


async def find_app(context: RequestContext, name: str | None, provider: Provider) -> App:
    """Return the named app of the provider; without a name the channel's default app, or the only possible one.

    The app is always one that the user may see now, with its current title; stored data only suggests which one is
    meant. Raises UserError, UnknownApp, AmbiguousApp or ProviderError.
    """
    apps = context.visible_apps(provider)
    if name is not None:
        return await apps.find(name)
    if (slug := await find_channel_app_slug(context, provider)) is not None:
        try:
            return await apps.require(slug)
        except (NotFound, Forbidden) as error:
            raise UserError(
                f"Buildbell or your {provider.label} account can't see this channel's app any more. Name an app, or"
                f" set another with `{provider.command} use APP`."
            ) from error
    all_apps = await apps.all()
    if len(all_apps) == 1:
        return all_apps[0]
    if not all_apps and (limit := await apps.why_limited()) is not None:
        raise limit
    raise AppNotGiven(f"Which app? Name it, or set this channel's app with `{provider.command} use APP`.")


async def find_channel_app(context: RequestContext, provider: Provider) -> App | None:
    """Return the app that commands in this channel mean by default; None if there is none that the user can see.

    Only apps that can be listed in time count, since forms are opened with it.
    """
    if (slug := await find_channel_app_slug(context, provider)) is None:
        return None
    return next(
        (app for app in await context.visible_apps(provider).list_in_time() if app.slug == slug), None
    )


async def find_channel_app_slug(context: RequestContext, provider: Provider) -> str | None:
    """Return the slug of the channel's default app, or else of the only app that it subscribes to."""
    default = await context.storage.channel_settings.default_app(context.channel, provider)
    if default is not None:
        return default
    subscriptions = await context.storage.subscriptions.of_channel(context.channel)
    slugs = {
        subscription.app.slug
        for subscription in subscriptions
        if subscription.app is not None and subscription.app.provider is provider
    }
    return slugs.pop() if len(slugs) == 1 else None


async def find_build(
    context: RequestContext,
    app_name: str | None,
    ref: BuildRef,
    provider: Provider,
    limits: SearchLimits | None = None,
) -> tuple[App, Build]:
    """Return the build that the reference names, with its app, as the provider lists it.

    Raises whatever `find_app` raises, NotFound, and BuildsNotListed.
    """
    if ref.number is not None:
        app = await find_app(context, app_name, provider)
        return app, await _find_by_number(context, app, ref.number)
    slug = ref.slug or ""
    if app_slug := ref.app_slug:
        app = await app_by_slug(context, app_slug, provider)
    elif app_name is not None:
        app = await find_app(context, app_name, provider)
    else:
        return await _BuildSearch(context, provider, slug, limits or SearchLimits()).find()
    return app, await build_client(context, provider).build(app.slug, slug)


async def app_by_slug(context: RequestContext, slug: str, provider: Provider) -> App:
    """Return the app with the slug of a button or list. Raises ProviderError, also if the user may not see the app."""
    return await context.visible_apps(provider).require(slug)


async def build_by_slugs(
    context: RequestContext, app_slug: str, build_slug: str, provider: Provider
) -> tuple[App, Build]:
    """Return the build with the slugs of a button, with its app. Raises ProviderError."""
    app = await app_by_slug(context, app_slug, provider)
    return app, await build_client(context, provider).build(app_slug, build_slug)


def build_client(context: RequestContext, provider: Provider) -> BuildClient:
    """Return the client that lists the provider's builds for the user. Raises BuildsNotListed."""
    client = context.builds_at(provider)
    if client is None:
        raise BuildsNotListed(f"{provider.label} has no list of builds.")
    return client


async def _find_by_number(context: RequestContext, app: App, number: int) -> Build:
    builds = build_client(context, app.provider).builds(app.slug, BuildQuery(number=number))
    async for build in builds:
        # Check the number: a server that does not know the filter would return any build.
        if build.number == number:
            return build
        if build.number is not None and build.number < number:
            break
    raise UserError(f"{app.title} has no build #{number}. `{app.provider.command} builds` lists the latest.")


class _BuildSearch:
    """Search for a build by its slug alone, and for its app.

    Nearby apps come first: the channel's default app, the apps that it subscribes to, those that any channel
    subscribes to. The list of all apps' builds comes next: it is cut off after some pages, and not every server has it
    (the seed documents name none). Apps that the user may not see are never requested.
    """

    def __init__(
        self, context: RequestContext, provider: Provider, build_slug: str, limits: SearchLimits
    ) -> None:
        self._context = context
        self._provider = provider
        self._client = build_client(context, provider)
        self._apps = context.visible_apps(provider)
        self._slug = build_slug
        self._limits = limits

    async def find(self) -> tuple[App, Build]:
        """Return the build with its app. Raises UserError, ProviderError."""
        context, limits = self._context, self._limits
        recorded = await context.services.storage.watched_builds.build(self._provider, self._slug)
        if recorded is not None:
            app = await self._apps.require(recorded.build.app_slug)
            return app, await self._client.build(app.slug, self._slug)
        misses = context.services.clients.at(self._provider).misses
        key = (context.team, context.identity, limits.key, context.channel, self._slug)
        if misses.get(key) is None:
            found = await self._search()
            if isinstance(found, tuple):
                return found
            if found is not None:
                raise found
            if limits.requests != 0:
                misses.store(key, True)
        if (limit := await self._apps.why_limited()) is not None:
            raise limit
        command = self._provider.command
        raise UserError(
            f"Which app does this build belong to? Name the app too: `{command} build APP LINK`, "
            f"or use the build's number: `{command} build APP #12`."
        )

    async def _search(self) -> tuple[App, Build] | ProviderError | None:
        """Return the build with its app; if it is nowhere, the error of an app that could not be searched, or None."""
        visible = {app.slug: app for app in await self._apps.all()}
        near = (await self._nearby_apps(visible))[: self._limits.near]
        found = await self._ask_apps(near)
        if isinstance(found, tuple):
            return found
        if (app_slug := await self._search_newest()) is not None:
            app = visible.get(app_slug) or await self._apps.require(app_slug)
            return app, await self._client.build(app.slug, self._slug)
        others = [app for app in visible.values() if app not in near]
        elsewhere = await self._ask_apps(others[: self._limits.others])
        return elsewhere if isinstance(elsewhere, tuple) else found or elsewhere

    async def _nearby_apps(self, visible: Mapping[str, App]) -> Sequence[App]:
        """Return the apps to search first, nearest first, of those that the user may see."""
        storage, channel = self._context.storage, self._context.channel
        default = await storage.channel_settings.default_app(channel, self._provider)
        channel_slugs = [
            *([default] if default is not None else []),
            *self._subscribed_apps(await storage.subscriptions.of_channel(channel)),
        ]
        near: dict[str, App] = {}
        for slug in dict.fromkeys(channel_slugs):
            with suppress(NotFound, Forbidden, NotConnected):
                near[slug] = visible.get(slug) or await self._apps.require(slug)
        for slug in self._subscribed_apps(await storage.subscriptions.of_all_channels()):
            if slug in visible:
                near.setdefault(slug, visible[slug])
        return list(near.values())[:MAX_APPS_ASKED]

    def _subscribed_apps(self, subscriptions: Iterable[Subscription]) -> list[str]:
        apps = (subscription.app for subscription in subscriptions)
        return [app.slug for app in apps if app is not None and app.provider is self._provider]

    async def _ask_apps(self, apps: Sequence[App]) -> tuple[App, Build] | ProviderError | None:
        """Request the build in some of the apps at a time; return the first that has it.

        If none has it, return the error of an app that could not be searched, or None.
        """

        async def ask(app: App) -> Build | ProviderError:
            try:
                return await self._client.build(app.slug, self._slug)
            except ProviderError as error:
                return error

        problem: ProviderError | None = None
        for start in range(0, len(apps), APPS_ASKED_AT_ONCE):
            batch = apps[start : start + APPS_ASKED_AT_ONCE]
            batch = batch[: self._limits.take(len(batch))]
            for app, result in zip(batch, await asyncio.gather(*map(ask, batch)), strict=True):
                if isinstance(result, ProviderError):
                    problem = problem if isinstance(result, NotFound | Forbidden) else result
                elif result.slug == self._slug:
                    return app, result
        return problem

    async def _search_newest(self) -> str | None:
        """Return the slug of the app whose build is among the newest of all apps; None if it or the list is missing."""
        pages = 0
        if not self._limits.take(1):
            return None
        try:
            async for page in self._client.all_builds().pages():
                for build in page.items:
                    if build.slug == self._slug:
                        return build.app_slug
                pages += 1
                if pages == self._limits.pages or not self._limits.take(1):
                    break
        except (NotFound, Forbidden):
            pass
        return None
