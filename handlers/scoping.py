"""What somebody's subscription may show: asked of Bitrise with their own token."""

from __future__ import annotations

from bot.bitrise import Bitrise, BuildQuery
from bot.build import App
from bot.http import NoAccess, NotFound, ProviderError, Refused
from storage import Scope, SeenAs

_FAILED = 2


async def own_scope(bitrise: Bitrise, app: App | None) -> Scope:
    """What whoever's token this is sees of an app, or of all. Raises NotFound, NoAccess, or another ProviderError."""
    if app is None:
        return Scope(
            seen_as=SeenAs.OWN, apps=frozenset([one.slug async for one in bitrise.apps()]), logs=False
        )
    await bitrise.app(app.slug)
    return Scope(seen_as=SeenAs.OWN, logs=await _reads_logs(bitrise, app))


async def _reads_logs(bitrise: Bitrise, app: App) -> bool:
    """Whether they may read logs: listing needs less than that (Bitrise's documents, "Roles").

    Tried on the latest build that failed, whose log is what would be shown. An app without one has none to show yet,
    and is asked about again.
    """
    try:
        async for page in bitrise.builds(app.slug, BuildQuery(status=_FAILED), limit=1).pages():
            for build in page.items:
                await bitrise.log(app.slug, build.slug)
                return True
            break
        await bitrise.app_yml(app.slug)
    except NoAccess:
        return False
    except (NotFound, Refused):
        return True  # there is none, but they may look for it
    except ProviderError:
        return False
    return True
