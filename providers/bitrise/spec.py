"""How Bitrise plugs into what the bot does for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.access_policy import Permission
from domain.build import App
from domain.credentials import Credentials, ProviderUser
from domain.errors import Forbidden, NotFound, ProviderError, RequestRejected
from domain.provider import Provider
from providers.bitrise.action_execution import ACTIONS
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.api.requests import BuildQuery
from providers.bitrise.interactions import INTERACTIONS
from services.features.builds.commands import app_card
from services.provider_connection import ProviderConnection
from services.provider_spec import ProviderSpec

_FAILED = 2


SPEC = ProviderSpec(
    provider=Provider.BITRISE,
    interactions=INTERACTIONS,
    app_card=app_card,
    permissions=(
        Permission.ABORT,
        Permission.TRIGGER,
        Permission.ARTIFACTS,
        Permission.APPROVE,
        Permission.SUBSCRIBE,
    ),
    actions=ACTIONS,
    main_permission=Permission.TRIGGER,
)


def bitrise_connection(make: Callable[[Credentials], BitriseClient]) -> ProviderConnection[BitriseClient]:
    """Bitrise's, with what makes its clients."""
    return ProviderConnection(
        Provider.BITRISE,
        make,
        apps=_apps,
        app=BitriseClient.app,
        owner=_owner,
        reads_logs=_reads_logs,
        branches=(BitriseClient.branches,),
        # Those of its bitrise.yml first, which not every token may read, then others that were ever started.
        workflows=(_configured_workflows, BitriseClient.workflows),
        pipelines=(_configured_pipelines,),
    )


async def _apps(bitrise: BitriseClient) -> list[App]:
    return [app async for app in bitrise.apps()]


async def _configured_workflows(bitrise: BitriseClient, app_slug: str) -> Sequence[str]:
    return (await bitrise.buildables(app_slug)).workflows


async def _configured_pipelines(bitrise: BitriseClient, app_slug: str) -> Sequence[str]:
    return (await bitrise.buildables(app_slug)).pipelines


async def _owner(bitrise: BitriseClient) -> ProviderUser | None:
    me = await bitrise.me()
    return ProviderUser(id=me.slug, name=me.username) if me.username and me.slug else None


async def _reads_logs(bitrise: BitriseClient, app: App) -> bool:
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
    except Forbidden:
        return False
    except (NotFound, RequestRejected):
        return True  # there is none, but they may look for it
    except ProviderError:
        return False
    return True
