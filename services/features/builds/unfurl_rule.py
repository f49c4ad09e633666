"""Who may see an app's builds without having asked for them."""

from __future__ import annotations

from domain.build import App
from services.request.app_visibility import subscribed_apps
from services.request.context import RequestContext


async def may_unfurl(context: RequestContext, app: App, *, shared_outside: bool) -> bool:
    """Whether a link to the app's pages may come alive in the channel, for everybody in it to see.

    It may where the channel follows the app. Elsewhere the person must be somebody who could ask me for it and show
    it around, which guests can't be trusted with, and nobody in a channel that is shared with another company.
    """
    here = await context.storage.subscriptions.of_channel(context.channel)
    followed = subscribed_apps(here, context.services.clients.at(app.provider))
    if app.slug in followed:
        return True
    return not shared_outside and await context.is_full_member()
