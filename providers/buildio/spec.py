"""Specification of Build.io as a provider."""

from __future__ import annotations

from dataclasses import replace

from domain.access_policy import Permission
from providers.buildio import action_ids, login, teams
from providers.buildio.apps import create as create_app
from providers.buildio.apps.actions import CreateAppAction
from providers.buildio.apps.commands import LIST_APPS, SHOW_APP, card
from providers.buildio.config_vars import commands as config_var_commands
from providers.buildio.config_vars.actions import (
    RevealConfigAction,
    RevealEnvironmentAction,
    SetConfigAction,
    SetEnvironmentAction,
    UnsetConfigAction,
    UnsetEnvironmentAction,
)
from providers.buildio.connection import connect
from providers.buildio.deploy_links import commands as deploy_link_commands
from providers.buildio.deploy_links import messages as deploy_link_messages
from providers.buildio.deploys import commands as deploy_commands
from providers.buildio.deploys.actions import DeployAction
from providers.buildio.domains import commands as domain_commands
from providers.buildio.domains.actions import (
    AddDomainAction,
    RemoveAllDomainsAction,
    RemoveDomainAction,
    UpdateCertificateAction,
)
from providers.buildio.interactions import INTERACTIONS
from providers.buildio.login import ClusterLoginAction
from providers.buildio.namespaces import commands as namespace_commands
from providers.buildio.namespaces.actions import CreateNamespaceAction, DeleteNamespaceAction
from providers.buildio.pipelines import commands as pipeline_commands
from providers.buildio.pipelines import environment_commands
from providers.buildio.polling.deployments import deployment_slug
from providers.buildio.presentation import PRESENTATION
from providers.buildio.processes import commands as process_commands
from providers.buildio.processes import run_commands
from providers.buildio.processes.actions import RestartAction, RunCommandAction
from providers.buildio.provider import BUILDIO
from providers.buildio.shared.arguments import parse_build_ref
from services.features.shared_commands import RESULTS, STYLES, shared_commands, why_command
from services.provider_spec import ProviderSpec

_FILTERS = (
    "Filters limit what is posted: `branch:main,release/*` `-branch:dependabot/*` `workflow:deploy` (deployments) "
    "`workflow:web.*` (processes, by their names) `by:@me` `-by:bot`. Names are globs, and a minus excludes. A process "
    "has no branch, so a branch filter excludes it."
)
_SHARED = shared_commands(BUILDIO, app="shop")

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
    actions=(
        DeployAction,
        RestartAction,
        RunCommandAction,
        SetConfigAction,
        UnsetConfigAction,
        RevealConfigAction,
        AddDomainAction,
        UpdateCertificateAction,
        RemoveDomainAction,
        RemoveAllDomainsAction,
        CreateAppAction,
        CreateNamespaceAction,
        DeleteNamespaceAction,
        SetEnvironmentAction,
        UnsetEnvironmentAction,
        RevealEnvironmentAction,
        ClusterLoginAction,
    ),
    main_permission=Permission.DEPLOY,
    run_slug=deployment_slug,
    url_setting="BUILDIO_API_URL",
    token_setting="BUILDIO_TOKEN",  # noqa: S106 - a setting's name
    oauth_settings=("BUILDIO_CLIENT_ID", "BUILDIO_CLIENT_SECRET"),
    connect=connect,
    # Slack turns anything like a hostname into a link.
    name_pattern=r"buildio|(?:https?://)?build\.io/?",
    example="apps",
    subscribe_example="subscribe by:@me -by:bot",
    parse_build_ref=parse_build_ref,
    app_names="Name an app by its name or ID, or the beginning of its name.",
    build_names="Name a deployment by its version (`#12` or `v12`) or its ID.",
    commands=(
        _SHARED["help"],
        LIST_APPS,
        _SHARED["use"],
        SHOW_APP,
        *create_app.COMMANDS,
        *deploy_commands.COMMANDS,
        *process_commands.COMMANDS,
        *run_commands.COMMANDS,
        *config_var_commands.COMMANDS,
        *domain_commands.COMMANDS,
        *pipeline_commands.COMMANDS,
        *environment_commands.COMMANDS,
        *namespace_commands.COMMANDS,
        *teams.COMMANDS,
        replace(
            _SHARED["subscribe"],
            options=("branch", "-branch", "workflow", "-workflow", "by", "-by"),
            summary="Subscribe this channel to finished deployments and process crashes: all, or those that match.",
            examples=(
                "subscribe shop",
                "subscribe shop branch:main workflow:deploy status:failed",
                "subscribe shop workflow:deploy style:live",
                "subscribe shop workflow:web.* status:broken,fixed",
            ),
            notes=(
                RESULTS,
                _FILTERS,
                STYLES,
                "`preview` doesn't subscribe; it shows what would have been posted lately.",
            ),
        ),
        _SHARED["unsubscribe"],
        _SHARED["subscriptions"],
        why_command(
            BUILDIO,
            summary="Show why a deployment was or wasn't posted here.",
            examples=("why #12", "why shop v12"),
        ),
        *deploy_link_commands.COMMANDS,
        _SHARED["connect"],
        _SHARED["disconnect"],
        _SHARED["whoami"],
        *login.COMMANDS,
        _SHARED["policy"],
        _SHARED["audit"],
    ),
)
