"""How Bitrise plugs into what the bot does for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.build import App
from domain.credentials import Credentials
from domain.errors import NoAccess, NotFound, ProviderError, Refused
from domain.provider import Provider
from providers.bitrise.api.client import Bitrise
from providers.bitrise.api.requests import BuildQuery
from services.provider_spec import Owner, Plug

_FAILED = 2


def bitrise_plug(make: Callable[[Credentials], Bitrise]) -> Plug[Bitrise]:
    """Bitrise's, with what makes its clients."""
    return Plug(
        Provider.BITRISE,
        make,
        apps=_apps,
        app=Bitrise.app,
        owner=_owner,
        reads_logs=_reads_logs,
        branches=(Bitrise.branches,),
        # Those of its bitrise.yml first, which not every token may read, then others that were ever started.
        workflows=(_configured_workflows, Bitrise.workflows),
        pipelines=(_configured_pipelines,),
    )


async def _apps(bitrise: Bitrise) -> list[App]:
    return [app async for app in bitrise.apps()]


async def _configured_workflows(bitrise: Bitrise, app_slug: str) -> Sequence[str]:
    return (await bitrise.buildables(app_slug)).workflows


async def _configured_pipelines(bitrise: Bitrise, app_slug: str) -> Sequence[str]:
    return (await bitrise.buildables(app_slug)).pipelines


async def _owner(bitrise: Bitrise) -> Owner | None:
    me = await bitrise.me()
    return Owner(id=me.slug, name=me.username) if me.username and me.slug else None


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
