"""Everything that the bot knows of Bitrise."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from domain.access_policy import Permission
from domain.build import App
from domain.commands.shared_commands import ListApps, ListBuilds, ShowBuild, ShowStatus
from domain.credentials import Credentials, ProviderUser
from domain.errors import Forbidden, NotFound, ProviderError, RequestRejected
from domain.provider import Provider
from domain.provider_client import LogClient
from providers.bitrise.action_execution import ACTIONS
from providers.bitrise.api.builds import BitriseBuilds
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.api.requests import BuildListParams
from providers.bitrise.command_handlers import COMMAND_HANDLERS
from providers.bitrise.command_parser import PARSER
from providers.bitrise.commands import ListPipelines, ShowPipeline
from providers.bitrise.interactions import INTERACTIONS
from providers.bitrise.presentation import PRESENTATION
from providers.bitrise.state import BitriseState
from services.features.builds.commands import app_card
from services.provider_connection import JobFactory, ProviderConnection
from services.provider_spec import ProviderSpec

_FAILED = 2


# Tokens are known by their beginning, and are long and random, other than the name of a branch.
_TOKEN = re.compile(r"(?<![A-Za-z0-9])bit[a-z]at_(?=[A-Za-z_\-]{0,80}[0-9])[A-Za-z0-9_\-]{20,}")

SPEC = ProviderSpec(
    provider=Provider.BITRISE,
    presentation=PRESENTATION,
    lists_builds=True,
    token_pattern=_TOKEN,
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
    token_setting="BITRISE_TOKEN",  # noqa: S106 - a setting's name
    parser=PARSER,
    command_handlers=COMMAND_HANDLERS,
    commands_open_to_external_users=frozenset(
        {ListApps, ShowStatus, ListBuilds, ShowBuild, ListPipelines, ShowPipeline}
    ),
)


def bitrise_connection(
    make: Callable[[Credentials], BitriseClient],
    *,
    follow_seconds: float,
    clock: Callable[[], datetime],
    make_jobs: JobFactory[BitriseClient] | None = None,
) -> ProviderConnection[BitriseClient]:
    """Return the connection to Bitrise; `make` makes its clients, `follow_seconds` paces a log that is followed."""
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
        builds=BitriseBuilds,
        logs=_logs,
        make_state=partial(BitriseState, clock=clock, follow_seconds=follow_seconds),
        make_jobs=make_jobs,
    )


def _logs(bitrise: BitriseClient) -> LogClient:
    return bitrise


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
        async for page in bitrise.builds(app.slug, BuildListParams(status=_FAILED), limit=1).pages():
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
