"""The rule for link previews: who may see an app's builds without a request."""

from __future__ import annotations

from domain.build import App
from services.request.app_visibility import subscribed_apps
from services.request.context import RequestContext


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
