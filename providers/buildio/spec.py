"""Everything that the bot knows of Build.io."""

from __future__ import annotations

from collections.abc import Callable

from domain.access_policy import Permission
from domain.build import App
from domain.credentials import Credentials, ProviderUser
from domain.provider import Provider
from messages.kit import action_ids
from providers.buildio.action_execution import ACTIONS
from providers.buildio.api.client import BuildioClient
from providers.buildio.api.models import BuildioApp
from providers.buildio.api.oauth import BuildioOAuth
from providers.buildio.apps.commands import card
from providers.buildio.command_handlers import COMMAND_HANDLERS
from providers.buildio.command_parser import PARSER
from providers.buildio.commands import ShowApp
from providers.buildio.deploy_links import messages as deploy_link_messages
from providers.buildio.interactions import INTERACTIONS
from providers.buildio.pipelines.app_stage import find_stage
from providers.buildio.polling.deployments import WORKFLOW, deployment_slug
from providers.buildio.presentation import PRESENTATION
from services.provider_connection import ProviderConnection
from services.provider_spec import ProviderSpec

SPEC = ProviderSpec(
    provider=Provider.BUILDIO,
    presentation=PRESENTATION,
    # Its reference promises no beginning for its tokens, so that nothing else tells them from other words.
    token_pattern=None,
    secret_forms=frozenset(
        {
            action_ids.BUILDIO_VARS_MODAL,
            action_ids.BUILDIO_DOMAIN_MODAL,
            action_ids.BUILDIO_CERTIFICATE_MODAL,
        }
    ),
    list_deploy_links=deploy_link_messages.list_below_subscriptions,
    interactions=INTERACTIONS,
    app_card=card,
    permissions=(
        Permission.DEPLOY,
        Permission.RESTART,
        Permission.RUN,
        Permission.CONFIG,
        Permission.DOMAINS,
        Permission.CREATE,
        Permission.DELETE,
        Permission.LOGIN,
        Permission.SUBSCRIBE,
    ),
    actions=ACTIONS,
    find_stage=find_stage,
    main_permission=Permission.DEPLOY,
    run_slug=deployment_slug,
    token_setting="BUILDIO_TOKEN",  # noqa: S106 - a setting's name
    oauth_settings="BUILDIO_CLIENT_ID with BUILDIO_CLIENT_SECRET",
    parser=PARSER,
    command_handlers=COMMAND_HANDLERS,
    commands_open_to_external_users=frozenset({ShowApp}),
)


def buildio_connection(
    make: Callable[[Credentials], BuildioClient], door: BuildioOAuth | None
) -> ProviderConnection[BuildioClient]:
    """Return the connection to Build.io; `make` makes its clients, `door` is its sign-in page, if it has one."""
    return ProviderConnection(
        Provider.BUILDIO,
        make,
        apps=_apps,
        app=_app,
        owner=_owner,
        reads_logs=_reads_logs,
        branches=(_branches,),
        workflows=(_deployments, _processes),
        oauth=door,
    )


def app_of(one: BuildioApp) -> App:
    """An app of Build.io as the rest of the bot knows apps."""
    return App(provider=Provider.BUILDIO, slug=one.id, title=one.name)


async def _apps(buildio: BuildioClient) -> list[App]:
    return [app_of(one) for one in await buildio.apps()]


async def _app(buildio: BuildioClient, slug: str) -> App:
    return app_of(await buildio.app(slug))


async def _branches(buildio: BuildioClient, app_slug: str) -> list[str]:
    # No list of them is to be had: the one that the app stands on ("Apps").
    current = (await buildio.app(app_slug)).deployment
    return [current.branch] if current is not None and current.branch else []


async def _deployments(_buildio: BuildioClient, _app_slug: str) -> list[str]:
    return [WORKFLOW]


async def _processes(buildio: BuildioClient, app_slug: str) -> list[str]:
    """The app's processes: all of a type by a pattern, then each by its name."""
    dynos = await buildio.dynos(app_slug)
    return [*dict.fromkeys(f"{one.type}.*" for one in dynos), *(one.name for one in dynos)]


async def _owner(buildio: BuildioClient) -> ProviderUser:
    # The e-mail address is all that the reference names ("Identity").
    email = (await buildio.me()).email
    return ProviderUser(id=email.casefold(), name=email)


async def _reads_logs(_buildio: BuildioClient, _app: App) -> bool:
    # Why a deployment failed is part of what the app says of itself ("Apps").
    return True
