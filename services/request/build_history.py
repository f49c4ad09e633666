"""An app's runs, asked of the provider where it can tell of old ones, else as the watcher saw them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from domain.build import App, Build
from domain.commands.shared_commands import BuildRef
from domain.provider import Provider
from providers.buildio.polling.deployments import deployment_slug
from services.request.context import RequestContext
from services.request.finder import UserError, find_app, find_build

# What the watcher calls a run that people know by the provider's own id for it.
_SLUGS: Mapping[Provider, Callable[[str, str], str]] = {Provider.BUILDIO: deployment_slug}


async def find_run(
    context: RequestContext, app_words: str | None, ref: BuildRef, provider: Provider
) -> tuple[App, Build]:
    """The run that is meant, with its app. Raises UserError, and what `find_build` does."""
    if provider is Provider.BITRISE:
        return await find_build(context, app_words, ref)
    app = await context.apps_of(provider).still(await find_app(context, app_words, provider))
    build = await _watched(context, app, ref)
    if build is None:
        raise UserError(
            f"I have not seen {ref} of {app.title}: {provider.label} keeps no list for me, so I know what happened"
            " while somebody here followed the app."
        )
    return app, build


async def latest_of(app: App, context: RequestContext, most: int) -> Sequence[Build]:
    """The app's latest runs, newest first. Raises ProviderError."""
    if app.provider is not Provider.BITRISE:
        await context.apps_of(app.provider).still(app)
        return await context.services.storage.watching.latest_of(app, most)
    async for page in context.bitrise.builds(app.slug, limit=most).pages():
        return page.items
    return ()


async def _watched(context: RequestContext, app: App, ref: BuildRef) -> Build | None:
    watching = context.services.storage.watching
    if ref.number is not None:
        return await watching.numbered(app, ref.number)
    called = _SLUGS.get(app.provider)
    names = (ref.slug or "", called(app.slug, ref.slug or "") if called is not None else "")
    for slug in names:
        seen = await watching.build(app.provider, slug)
        if seen is not None and seen.build.app_slug == app.slug:
            return seen.build
    return None
