"""What the forms of Build.io open with."""

from __future__ import annotations

from domain.build import App
from domain.provider import Provider
from messages.kit.view_metadata import ViewMetadata
from services.request.context import RequestContext


def origin_of(caller: RequestContext) -> ViewMetadata:
    """What travels with a form that is opened here."""
    return ViewMetadata(channel=caller.channel, provider=Provider.BUILDIO)


async def channels_app(caller: RequestContext) -> App | None:
    """The app that this channel has chosen, as far as that is known at once."""
    slug = await caller.storage.channels.default_app(caller.channel, Provider.BUILDIO)
    if slug is None:
        return None
    apps = await caller.apps_of(Provider.BUILDIO).in_time()
    return next((app for app in apps if app.slug == slug), None)
