"""The scope of a user's subscription: what their own token sees; without one, what their channels subscribe to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from domain.build import App
from domain.provider import Provider
from domain.subscription import AccessSource, Scope
from services.accounts.app_catalog import AppCatalog
from services.request import user_channels
from services.request.app_visibility import subscribed_apps
from services.request.context import RequestContext

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
    channels = await user_channels.list_channels(context)
    subscriptions = await context.storage.subscriptions.of_channels(channels)
    return subscribed_apps(subscriptions, context.services.clients.at(provider))
