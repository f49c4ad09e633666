"""A cache of the apps that a token has access to, so that finding one by name costs no request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeAlias, TypeVar

import structlog

from domain.build import App
from domain.provider_errors import Forbidden, InvalidToken, NotConnected, ProviderError
from services.cache import Cache
from services.provider_connection import ProviderConnection

log = structlog.get_logger()

Client = TypeVar("Client")

FRESH = timedelta(minutes=5)
# The age up to which an option list offers cached apps if the provider does not answer in time.
FRESH_ENOUGH_TO_OFFER = timedelta(hours=1)
_ACCESS_ERRORS = (InvalidToken, Forbidden, NotConnected)
# Slack waits three seconds for the options of a list (Slack's rules, "Answering").
PATIENCE_SECONDS = 2.0
# A name that is not found may be a new app's, but not every typing error may cause a request.
FRESH_ENOUGH_FOR_A_MISS = timedelta(seconds=30)


# A workspace and a person; both are "" for the bot's own token.
UserKey: TypeAlias = tuple[str, str]


class AppLists(Cache[UserKey, Sequence[App]]):
    """The apps that each token has access to, by its owner; option lists wait `patience_seconds` for them."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        max_size: int = 1,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.patience_seconds = patience_seconds
        # Recent names help the person who types; after a longer time they may have lost access.
        super().__init__(max_age=FRESH_ENOUGH_TO_OFFER, max_size=max_size, clock=clock)


class AppCatalog(Generic[Client]):
    """All apps that a token has access to, read with `client` when they are needed and no longer fresh in `lists`."""

    def __init__(
        self, connection: ProviderConnection[Client], client: Client, lists: AppLists, key: UserKey = ("", "")
    ) -> None:
        self._connection = connection
        self._client = client
        self._lists = lists
        self._key = key
        self._owner: str | None = None
        self._owner_known = False

    async def all(self) -> Sequence[App]:
        """Return every app that the token has access to. Raises ProviderError."""
        return await self.read(FRESH)

    async def find_by_slug(self, slug: str) -> App | None:
        """Return the app with exactly this slug; None if the token has no access to it. Raises ProviderError."""
        for fresh in (FRESH, FRESH_ENOUGH_FOR_A_MISS):
            for app in await self.read(fresh):
                if app.slug == slug:
                    return app
        return None

    async def owner(self) -> str | None:
        """Return the name of the token's owner; None for a workspace's token, or if the provider does not say."""
        if not self._owner_known:
            try:
                owner = await self._connection.owner(self._client)
            except ProviderError:
                return None
            self._owner, self._owner_known = owner.name if owner is not None else None, True
        return self._owner

    async def list_in_time(self) -> Sequence[App]:
        """Return the apps known in time for an option list; reading continues for the next key press."""
        try:
            async with asyncio.timeout(self._lists.patience_seconds):
                return await self.read(FRESH)
        except (ProviderError, TimeoutError) as problem:
            log.info("apps.not_in_time", reason=str(problem))
            return () if isinstance(problem, _ACCESS_ERRORS) else self._lists.get(self._key) or ()

    async def fetch(self, slug: str) -> App:
        """Fetch the app with exactly this slug from the provider. Raises ProviderError."""
        return await self._connection.app(self._client, slug)

    async def reads_logs(self, app: App) -> bool:
        """Return whether others may be shown why the app's builds failed, in the owner's name. Raises ProviderError."""
        return await self._connection.reads_logs(self._client, app)

    async def read(self, fresh: timedelta) -> Sequence[App]:
        """Return every app, no older than `fresh`. Raises ProviderError."""
        return await self._lists.load(self._key, lambda: self._connection.apps(self._client), max_age=fresh)

    def forget(self) -> None:
        """Drop the cached list, since an app was created or deleted."""
        self._lists.forget(lambda key: key == self._key)
