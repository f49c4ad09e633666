"""What somebody's subscription may show: asked of the provider with their own token."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.build import App
from handlers.directory import AppDirectory
from storage import Scope, SeenAs

_NOW = timedelta(0)


async def own_scope(own: AppDirectory[Any], app: App | None) -> Scope:
    """What somebody sees of an app, or of all; `own` are the apps of their own token.

    Raises NotFound, NoAccess, or another ProviderError.
    """
    if app is None:
        apps = frozenset(one.slug for one in await own.read(_NOW))
        return Scope(seen_as=SeenAs.OWN, apps=apps, logs=False)
    await own.ask_for(app.slug)
    return Scope(seen_as=SeenAs.OWN, logs=await own.reads_logs(app))
