"""Specification of Build.io as a provider."""

from __future__ import annotations

from domain.access_policy import Permission
from providers.buildio import action_ids
from providers.buildio.action_execution import ACTIONS
from providers.buildio.apps.commands import card
from providers.buildio.command_handlers import COMMAND_HANDLERS
from providers.buildio.command_parser import PARSER
from providers.buildio.commands import ShowApp
from providers.buildio.connection import connect
from providers.buildio.deploy_links import messages as deploy_link_messages
from providers.buildio.interactions import INTERACTIONS
from providers.buildio.pipelines.app_stage import find_stage
from providers.buildio.polling.deployments import deployment_slug
from providers.buildio.presentation import PRESENTATION
from providers.buildio.provider import BUILDIO
from services.provider_spec import ProviderSpec

SPEC = ProviderSpec(
    provider=BUILDIO,
    presentation=PRESENTATION,
    # The reference guarantees no prefix for tokens, so they can't be told from other words.
    token_pattern=None,
    secret_forms=frozenset(
        {
            action_ids.VARS_MODAL,
            action_ids.DOMAIN_MODAL,
            action_ids.CERTIFICATE_MODAL,
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
    url_setting="BUILDIO_API_URL",
    token_setting="BUILDIO_TOKEN",  # noqa: S106 - a setting's name
    oauth_settings=("BUILDIO_CLIENT_ID", "BUILDIO_CLIENT_SECRET"),
    connect=connect,
    parser=PARSER,
    command_handlers=COMMAND_HANDLERS,
    commands_open_to_external_users=frozenset({ShowApp}),
)
