"""What a user sees through channels: those that they are in, their subscriptions' scope, and previews of links."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import structlog

from domain.build import App
from domain.provider import Provider
from domain.subscription import AccessSource, Scope
from services.accounts.app_catalog import AppCatalog
from services.request.app_visibility import subscribed_apps
from services.request.context import RequestContext
from services.slack.errors import NO_ANSWER, SlackCallFailed

log = structlog.get_logger()

T = TypeVar("T")

# The user waits for both calls when they open the Home tab.
PATIENCE_SECONDS = 10.0
MAX_PAGES = 5
PAGE_SIZE = 200


@dataclass(frozen=True)
class UserChannels:
    """A user's channels, as far as Slack names them; a `…_problem` is Slack's error code for the missing ones."""

    direct: str | None
    channels: list[str]
    direct_problem: str | None = None
    channels_problem: str | None = None

    @property
    def all(self) -> list[str]:
        """All known channels, including the direct message."""
        return [*([self.direct] if self.direct else []), *self.channels]

    @property
    def complete(self) -> bool:
        """True if no channel is missing."""
        return self.direct_problem is None and self.channels_problem is None


async def find_user_channels(context: RequestContext) -> UserChannels:
    """Return the user's direct message with the bot and the channels that they are in, as far as Slack says in time."""
    direct, direct_problem = await _within_time(context.direct_message())
    channels: list[str] = []

    async def read() -> None:
        async for page in _read_pages(context):
            channels.extend(page)

    _, channels_problem = await _within_time(read())
    return UserChannels(direct, channels, direct_problem, channels_problem)


async def _within_time(call: Coroutine[Any, Any, T]) -> tuple[T | None, str | None]:
    """Return the result, or Slack's error code if there is none in time."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await call, None
    except SlackCallFailed as error:
        reason = error.reason
    except TimeoutError:
        reason = NO_ANSWER
    log.warning("places.unknown", reason=reason)
    return None, reason


async def list_channels(context: RequestContext) -> list[str]:
    """Return the channels that the user is in and that the bot may know of. Raises SlackCallFailed."""
    return [channel async for channels in _read_pages(context) for channel in channels]


async def _read_pages(context: RequestContext) -> AsyncIterator[list[str]]:
    """Read the pages of the user's channels; private ones only if the bot is in them too ("users.conversations")."""
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        answer = await context.slack.users_conversations(
            user=context.person,
            types="public_channel,private_channel",
            exclude_archived=True,
            limit=PAGE_SIZE,
            cursor=cursor,
        )
        yield [str(channel["id"]) for channel in answer.get("channels") or []]
        cursor = (answer.get("response_metadata") or {}).get("next_cursor")
        if not cursor:
            return


_NOW = timedelta(0)


async def own_scope(catalog: AppCatalog[Any], app: App | None) -> Scope:
    """Return what a user sees of an app, or of all apps; `own` are the apps of their own token.

    Raises NotFound, Forbidden, or another ProviderError.
    """
    if app is None:
        apps = frozenset(visible.slug for visible in await catalog.read(_NOW))
        return Scope(seen_as=AccessSource.OWN, apps=apps, logs=False)
    await catalog.fetch(app.slug)
    return Scope(seen_as=AccessSource.OWN, logs=await catalog.reads_logs(app))


async def find_subscribed_apps(context: RequestContext, provider: Provider) -> frozenset[str]:
    """Return the provider's apps that a user without an account may see, from all channels that they are in.

    Raises SlackCallFailed.
    """
    channels = await list_channels(context)
    subscriptions = await context.storage.subscriptions.of_channels(channels)
    return subscribed_apps(subscriptions, context.services.clients.at(provider))


async def may_unfurl(context: RequestContext, app: App, *, shared_outside: bool) -> bool:
    """Return whether a link to the app's pages may have a preview in the channel, visible to everyone there.

    It may if the channel subscribes to the app. Elsewhere the user must be a full member, who could request the data
    and show it to others; guests must not, and nobody may in a channel that is shared with another company.
    """
    subscriptions = await context.storage.subscriptions.of_channel(context.channel)
    visible = subscribed_apps(subscriptions, context.services.clients.at(app.provider))
    if app.slug in visible:
        return True
    return not shared_outside and await context.is_full_member()
