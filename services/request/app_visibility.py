"""The apps that a person may see: those that their own token sees; without one, those that the channel follows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from domain.build import App
from domain.errors import Forbidden, NotConnected, NotFound, RequestRejected
from domain.redaction.redactor import redact
from domain.subscription import AccessSource, Subscription
from services.accounts.app_catalog import FRESH, FRESH_ENOUGH_FOR_A_MISS, AppCatalog
from services.accounts.provider_clients import ProviderClients
from services.accounts.user_tokens import BROKEN, AccountNotConnected
from services.lookup.app_names import UnknownApp, find_app
from services.slack.workspace_members import NotAMember
from storage.repositories import WorkspaceRepositories

# The creator's access is checked every hour (`services.jobs.access_checker`). Where it can't be checked, since their
# token is refused or the provider does not answer, the last result counts for a day: they may just be on holiday.
ACCESS_GRACE_PERIOD = timedelta(days=1)
# Home shows, of what the bot reads for everybody, the apps of somebody's own list, which is no older than this.
FRESH_TO_SHOW = timedelta(minutes=1)

# What could be an app's slug, or its name at Build.io; their form is nowhere promised.
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{1,99}")

LIMITED_VISIBILITY = (
    "I show what your own {provider} account may see, and without one only what this channel follows."
    " Type `{command} connect` to link yours"
)


class VisibleApps:
    """One person's apps at one provider, from one channel; a workflow's, from all that the workspace's channels follow.

    Raises ProviderError where they can't be read.
    """

    def __init__(
        self, clients: ProviderClients[Any], storage: WorkspaceRepositories, person: str, channel: str | None
    ) -> None:
        self._clients = clients
        self._storage = storage
        self._person = person
        self._channel = channel

    async def all(self) -> Sequence[App]:
        """Return every app that they may see."""
        directory, only = await self._directory()
        return _those(await directory.all(), only)

    async def find(self, words: str) -> App:
        """Return the app that the words name. Raises UnknownApp, AmbiguousApp, NotConnected."""
        directory, only = await self._directory()
        try:
            return self._found(words, await directory.read(FRESH), only)
        except UnknownApp:
            try:
                return self._found(words, await directory.read(FRESH_ENOUGH_FOR_A_MISS), only)
            except UnknownApp as unknown:
                if (app := await self._unlisted(words, directory, only)) is not None:
                    return app
                if only is not None:
                    raise await self._sees_little() from unknown
                raise

    async def _unlisted(
        self, words: str, directory: AppCatalog[Any], only: frozenset[str] | None
    ) -> App | None:
        """Return an app that is named by its slug and is in no list, if the provider knows it."""
        slug = words.strip()
        # What may be a secret in the wrong place belongs in no address.
        if not _SLUG.fullmatch(slug) or redact(slug) != slug or (only is not None and slug not in only):
            return None
        try:
            app = await directory.fetch(slug)
        except (NotFound, Forbidden, RequestRejected):
            return None
        return app if only is None or app.slug in only else None

    def _found(self, words: str, apps: Sequence[App], only: frozenset[str] | None) -> App:
        return find_app(words, _those(apps, only), provider=self._clients.provider)

    async def find_by_slug(self, slug: str) -> App | None:
        """Return the app with exactly this slug; None where they may not see it."""
        directory, only = await self._directory()
        return await directory.find_by_slug(slug) if only is None or slug in only else None

    async def require(self, slug: str) -> App:
        """Return the app with exactly this slug. Raises NotFound; NotConnected where their own account might see it."""
        directory, only = await self._directory()
        if only is not None and slug not in only:
            raise await self._sees_little()
        # A list may be some minutes old, and is not asked again for each name: the provider has the last word.
        return await directory.find_by_slug(slug) or await directory.fetch(slug)

    async def fetch(self, app: App) -> App:
        """Return the app as it is now, before something is shown of it that was not read with their own token.

        Raises NotFound, or another ProviderError.
        """
        directory, only = await self._directory()
        if only is not None or directory is self._clients.service_apps:
            return await self.require(app.slug)
        # Their own list may be some minutes old, and they may have lost the app since.
        return await directory.fetch(app.slug)

    async def list_in_time(self) -> Sequence[App]:
        """Return the apps that are known in time for an option list."""
        directory, only = await self._directory()
        return _those(await directory.list_in_time(), only)

    async def slugs(self, *, fresh: timedelta = FRESH) -> frozenset[str] | None:
        """Return the slugs of all of them, no older than `fresh`; None: whatever the bot itself sees."""
        directory, only = await self._directory()
        if only is not None:
            return only
        if directory is self._clients.service_apps:
            return None
        return frozenset(app.slug for app in await directory.read(fresh))

    async def why_limited(self) -> NotConnected | None:
        """Return why they see only the apps that the channel subscribes to; None where they see all."""
        _, only = await self._directory()
        return await self._sees_little() if only is not None else None

    async def _directory(self) -> tuple[AppCatalog[Any], frozenset[str] | None]:
        """Return the catalog that they are shown, and the slugs that they may see of it; None: all of them."""
        if await self._clients.is_linked(self._storage.team, self._person):
            return self._clients.for_person(self._storage.team, self._person).apps, None
        if await self._clients.acts_for(self._storage.team, self._person):
            return self._clients.service_apps, None
        if self._channel is None:
            followed = await self._storage.subscriptions.of_all_channels()
        else:
            followed = await self._storage.subscriptions.of_channel(self._channel)
        return self._clients.service_apps, subscribed_apps(followed, self._clients)

    async def _sees_little(self) -> NotConnected:
        """Return why they see only the apps that the channel subscribes to."""
        provider = self._clients.provider
        if self._person and not await self._clients.members.belongs(self._storage.team, self._person):
            return NotAMember(provider=provider)
        account = await self._clients.account_of(self._storage.team, self._person)
        return (
            LimitedVisibility(provider=provider)
            if account is None
            else AccountNotConnected(BROKEN, provider=provider)
        )


class LimitedVisibility(NotConnected):
    """The person has no account of their own, and the channel does not subscribe to the app."""

    sentence = LIMITED_VISIBILITY


def subscribed_apps(subscriptions: Sequence[Subscription], at: ProviderClients[Any]) -> frozenset[str]:
    """Return the apps that everybody in the channel may see, since the creators of the subscriptions see them now."""
    return frozenset(
        one.app.slug
        for one in subscriptions
        if one.app is not None and one.app.provider is at.provider and is_visible_to_creator(one, at)
    )


def is_visible_to_creator(one: Subscription, at: ProviderClients[Any]) -> bool:
    """Whether the subscription's creator is known to see what it shows.

    One that shows the bot's own access stands for nobody's, unless the bot's token acts for everybody.
    """
    if one.scope.seen_as is AccessSource.SERVICE:
        return at.service_acts
    if one.unseen_at is not None or one.confirmed_at is None:
        return False
    return at.clock() - one.confirmed_at < ACCESS_GRACE_PERIOD


def _those(apps: Sequence[App], only: frozenset[str] | None) -> Sequence[App]:
    return apps if only is None else [app for app in apps if app.slug in only]
