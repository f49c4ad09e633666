"""The apps that a user may see: those of their own token; without one, those that the channel subscribes to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from domain.build import App
from domain.provider_errors import Forbidden, NotConnected, NotFound, RequestRejected
from domain.redaction.redactor import redact
from domain.subscription import AccessSource, Subscription
from services.accounts.app_catalog import FRESH, FRESH_ENOUGH_FOR_A_MISS, AppCatalog
from services.accounts.provider_clients import ProviderClients, UserClient
from services.accounts.user_tokens import BROKEN, AccountNotConnected
from services.lookup.app_matching import UnknownApp, match_app
from services.slack.workspace_members import NotAMember
from storage.repositories import WorkspaceRepositories

# The creator's access is checked every hour (`services.jobs.access_checker`). Where it can't be checked, since their
# token is refused or the provider does not answer, the last result counts for a day: they may just be on holiday.
ACCESS_GRACE_PERIOD = timedelta(days=1)
# Home filters what the service token reads by the user's own list of apps, which is no older than this.
FRESH_TO_SHOW = timedelta(minutes=1)

# A possible app slug, or app name at Build.io. Neither format is documented.
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,99}")

LIMITED_VISIBILITY = (
    "Without a connected {provider} account you only see the apps that this channel subscribes to."
    " Type `{command} connect` to connect yours"
)


class VisibleApps:
    """The apps of one provider that a user may see in a channel.

    A workflow (no channel) sees the apps that any channel of the workspace subscribes to. Raises ProviderError if the
    apps can't be read.
    """

    def __init__(
        self,
        clients: ProviderClients[Any],
        storage: WorkspaceRepositories,
        user: UserClient[Any],
        channel: str | None,
    ) -> None:
        self._clients = clients
        self._storage = storage
        self._user = user
        self._team, self._person = user.accounts.team, user.accounts.person
        self._channel = channel

    async def all(self) -> Sequence[App]:
        """Return every app that the user may see."""
        catalog, visible_slugs = await self._find_catalog()
        return _filter_apps(await catalog.all(), visible_slugs)

    async def find(self, name: str) -> App:
        """Return the app with this name, slug or repository. Raises UnknownApp, AmbiguousApp, NotConnected."""
        catalog, visible_slugs = await self._find_catalog()
        try:
            return self._find_in(name, await catalog.read(FRESH), visible_slugs)
        except UnknownApp:
            try:
                return self._find_in(name, await catalog.read(FRESH_ENOUGH_FOR_A_MISS), visible_slugs)
            except UnknownApp as unknown:
                if (app := await self._fetch_unlisted(name, catalog, visible_slugs)) is not None:
                    return app
                if visible_slugs is not None:
                    raise await self._limit_reason() from unknown
                raise

    async def _fetch_unlisted(
        self, name: str, catalog: AppCatalog[Any], visible_slugs: frozenset[str] | None
    ) -> App | None:
        """Return an app that is in no list by its slug, if the provider knows it."""
        slug = name.strip()
        # A secret that was typed in the wrong place must not be sent in a URL.
        if not _SLUG.fullmatch(slug) or redact(slug) != slug:
            return None
        if visible_slugs is not None and slug not in visible_slugs:
            return None
        try:
            app = await catalog.fetch(slug)
        except (NotFound, Forbidden, RequestRejected):
            return None
        return app if visible_slugs is None or app.slug in visible_slugs else None

    def _find_in(self, name: str, apps: Sequence[App], visible_slugs: frozenset[str] | None) -> App:
        return match_app(name, _filter_apps(apps, visible_slugs), provider=self._clients.provider)

    async def find_by_slug(self, slug: str) -> App | None:
        """Return the app with exactly this slug; None if the user may not see it."""
        catalog, visible_slugs = await self._find_catalog()
        return await catalog.find_by_slug(slug) if visible_slugs is None or slug in visible_slugs else None

    async def require(self, slug: str) -> App:
        """Return the app with exactly this slug.

        Raises NotFound, and NotConnected if the user's own account might see it.
        """
        catalog, visible_slugs = await self._find_catalog()
        if visible_slugs is not None and slug not in visible_slugs:
            raise await self._limit_reason()
        # The cached list may be some minutes old, so an app that is missing there is fetched from the provider.
        return await catalog.find_by_slug(slug) or await catalog.fetch(slug)

    async def fetch(self, app: App) -> App:
        """Return the app as it is now, to check access before showing data that the user's own token did not read.

        Raises NotFound, or another ProviderError.
        """
        catalog, visible_slugs = await self._find_catalog()
        if visible_slugs is not None or catalog is self._clients.service_apps:
            return await self.require(app.slug)
        # The user's own list may be some minutes old, and they may have lost access since.
        return await catalog.fetch(app.slug)

    async def list_in_time(self) -> Sequence[App]:
        """Return the apps that can be listed in time for an option list."""
        catalog, visible_slugs = await self._find_catalog()
        return _filter_apps(await catalog.list_in_time(), visible_slugs)

    async def slugs(self, *, fresh: timedelta = FRESH) -> frozenset[str] | None:
        """Return the slugs of all visible apps, no older than `fresh`; None if the user sees all that the bot sees."""
        catalog, visible_slugs = await self._find_catalog()
        if visible_slugs is not None:
            return visible_slugs
        if catalog is self._clients.service_apps:
            return None
        return frozenset(app.slug for app in await catalog.read(fresh))

    async def why_limited(self) -> NotConnected | None:
        """Return why the user sees only the apps that the channel subscribes to; None if they see all."""
        _, visible_slugs = await self._find_catalog()
        return await self._limit_reason() if visible_slugs is not None else None

    async def _find_catalog(self) -> tuple[AppCatalog[Any], frozenset[str] | None]:
        """Return the user's app catalog and the slugs that they may see in it; None if they may see all."""
        if await self._clients.is_linked(self._user.accounts):
            return self._user.apps, None
        if await self._clients.acts_for(self._team, self._person):
            return self._clients.service_apps, None
        if self._channel is None:
            subscriptions = await self._storage.subscriptions.of_all_channels()
        else:
            subscriptions = await self._storage.subscriptions.of_channel(self._channel)
        return self._clients.service_apps, subscribed_apps(subscriptions, self._clients)

    async def _limit_reason(self) -> NotConnected:
        """Return why the user sees only the apps that the channel subscribes to."""
        provider = self._clients.provider
        if self._person and not await self._clients.members.belongs(self._team, self._person):
            return NotAMember(provider=provider)
        account = await self._clients.account_of(self._user.accounts)
        return (
            LimitedVisibility(provider=provider)
            if account is None
            else AccountNotConnected(BROKEN, provider=provider)
        )


class LimitedVisibility(NotConnected):
    """The user has no account of their own, and the channel does not subscribe to the app."""

    sentence = LIMITED_VISIBILITY


def subscribed_apps(subscriptions: Sequence[Subscription], clients: ProviderClients[Any]) -> frozenset[str]:
    """Return the slugs of the apps that everyone in the channel may see.

    These are the apps of the channel's subscriptions whose creators can see them now.
    """
    return frozenset(
        subscription.app.slug
        for subscription in subscriptions
        if subscription.app is not None
        and subscription.app.provider is clients.provider
        and is_visible_to_creator(subscription, clients)
    )


def is_visible_to_creator(subscription: Subscription, clients: ProviderClients[Any]) -> bool:
    """Return whether the subscription's creator can see what it shows, as of the last access check.

    A subscription with the bot's own access counts only if the service token acts for everyone.
    """
    if subscription.scope.seen_as is AccessSource.SERVICE:
        return clients.service_acts
    if subscription.unseen_at is not None or subscription.confirmed_at is None:
        return False
    return clients.clock() - subscription.confirmed_at < ACCESS_GRACE_PERIOD


def _filter_apps(apps: Sequence[App], visible_slugs: frozenset[str] | None) -> Sequence[App]:
    return apps if visible_slugs is None else [app for app in apps if app.slug in visible_slugs]
