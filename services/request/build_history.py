"""Builds and deployments of an app, as the provider lists them or, without such a list, as the poller recorded them."""

from __future__ import annotations

from collections.abc import Sequence

from domain.build import App, Build
from domain.commands.arguments import BuildRef
from domain.commands.errors import UserError
from domain.provider import Provider
from services.request.context import RequestContext
from services.request.finder import find_app, find_build


async def find_run(
    context: RequestContext, app_name: str | None, ref: BuildRef, provider: Provider
) -> tuple[App, Build]:
    """Return the run that the reference names, with its app. Raises UserError, and whatever `find_build` raises."""
    if context.builds_at(provider) is not None:
        return await find_build(context, app_name, ref, provider)
    app = await context.visible_apps(provider).fetch(await find_app(context, app_name, provider))
    build = await _find_recorded(context, app, ref)
    if build is None:
        raise UserError(
            f"I have not seen {ref} of {app.title}: {provider.label} keeps no list for me, so I know what happened"
            " while somebody here followed the app."
        )
    return app, build


async def list_latest_runs(app: App, context: RequestContext, most: int) -> Sequence[Build]:
    """Return the app's latest runs, newest first. Raises ProviderError."""
    client = context.builds_at(app.provider)
    if client is None:
        await context.visible_apps(app.provider).fetch(app)
        return await context.services.storage.watched_builds.latest_of(app, most)
    async for page in client.builds(app.slug, limit=most).pages():
        return page.items
    return ()


async def _find_recorded(context: RequestContext, app: App, ref: BuildRef) -> Build | None:
    recorded_builds = context.services.storage.watched_builds
    if ref.number is not None:
        return await recorded_builds.numbered(app, ref.number)
    run_slug = context.services.registry.get(app.provider).run_slug
    slugs = (ref.slug or "", run_slug(app.slug, ref.slug or "") if run_slug is not None else "")
    for slug in slugs:
        recorded = await recorded_builds.build(app.provider, slug)
        if recorded is not None and recorded.build.app_slug == app.slug:
            return recorded.build
    return None
