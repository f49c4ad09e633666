"""Who may see an app's builds without having asked for them."""

from __future__ import annotations

from bot.build import App, Provider
from handlers.caller import Caller


async def channel_follows(caller: Caller, app: App) -> bool:
    """Whether the channel is told of the app's builds, or has chosen it: then everybody in it may see them."""
    storage = caller.desk.storage
    if await storage.channels.default_app(caller.team, caller.channel, Provider.BITRISE) == app.slug:
        return True
    subscriptions = await storage.subscriptions.of_channel(caller.channel)
    return any(one.app is not None and one.app.slug == app.slug for one in subscriptions)


async def may_unfurl(caller: Caller, app: App, *, shared_outside: bool) -> bool:
    """Whether a link to the app's pages may come alive in the channel, for everybody in it to see.

    It may where the channel follows the app. Elsewhere the person must be somebody who could ask me for it and show
    it around, which guests can't be trusted with, and nobody in a channel that is shared with another company.
    """
    if await channel_follows(caller, app):
        return True
    return not shared_outside and await caller.is_full_member()
