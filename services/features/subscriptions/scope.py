"""What somebody's subscription may show: asked of the provider with their own token; without one, of their channels."""

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


async def own_scope(own: AppCatalog[Any], app: App | None) -> Scope:
    """What somebody sees of an app, or of all; `own` are the apps of their own token.

    Raises NotFound, Forbidden, or another ProviderError.
    """
    if app is None:
        apps = frozenset(one.slug for one in await own.read(_NOW))
        return Scope(seen_as=AccessSource.OWN, apps=apps, logs=False)
    await own.fetch(app.slug)
    return Scope(seen_as=AccessSource.OWN, logs=await own.reads_logs(app))


async def find_subscribed_apps(context: RequestContext, provider: Provider) -> frozenset[str]:
    """The provider's apps that somebody is shown without an account, in all channels that they are in.

    Raises SlackCallFailed.
    """
    channels = await user_channels.list_channels(context)
    followed = await context.storage.subscriptions.of_channels(channels)
    return subscribed_apps(followed, context.services.clients.at(provider))
