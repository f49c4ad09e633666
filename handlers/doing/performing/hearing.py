"""Who hears how a deployment ends: it ends long after it was asked for, and the watcher tells it."""

from __future__ import annotations

from bot.acts import Deploy
from bot.build import Build, Kind, State
from handlers.caller import Caller


async def is_told(act: Deploy, caller: Caller) -> bool:
    """Whether a subscription of the caller's channel lets the end of this deployment pass, as far as is known now."""
    provider, slug = act.provider, act.app.slug
    end = Build(
        provider=provider,
        kind=Kind.DEPLOYMENT,
        app_slug=slug,
        slug="",
        state=State.SUCCEEDED,
        branch=act.branch,
        workflow="deploy",
        url="",
    )
    subscriptions = caller.storage.subscriptions
    if not await subscriptions.is_watched(provider, slug):
        return False
    return any(
        one.provider is provider and one.stopped is None and one.covers(slug) and one.terms.filter.match(end)
        for one in await subscriptions.of_channel(caller.channel)
    )
