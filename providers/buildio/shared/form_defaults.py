"""Initial values of Build.io's forms."""

from __future__ import annotations

from domain.build import App
from messages.kit.view_metadata import ViewMetadata
from providers.buildio.provider import BUILDIO
from services.request.context import RequestContext


def form_metadata(context: RequestContext) -> ViewMetadata:
    """Return the metadata of a form that is opened here."""
    return ViewMetadata(channel=context.channel, provider=BUILDIO)


async def find_channel_app(context: RequestContext) -> App | None:
    """Return the channel's app, if it is known in time."""
    slug = await context.storage.channel_settings.default_app(context.channel, BUILDIO)
    if slug is None:
        return None
    apps = await context.visible_apps(BUILDIO).list_in_time()
    return next((app for app in apps if app.slug == slug), None)
