"""The provider specification of Bitrise, and its connection."""

from __future__ import annotations

import re

from domain.access_policy import Permission
from domain.commands.shared_commands import ListApps, ListBuilds, ShowBuild, ShowStatus
from providers.bitrise.action_execution import ACTIONS
from providers.bitrise.command_handlers import COMMAND_HANDLERS
from providers.bitrise.command_parser import PARSER
from providers.bitrise.commands import ListPipelines, ShowPipeline
from providers.bitrise.connection import connect
from providers.bitrise.interactions import INTERACTIONS
from providers.bitrise.presentation import PRESENTATION
from providers.bitrise.provider import BITRISE
from services.features.builds.commands import app_card
from services.provider_spec import ProviderSpec

# Tokens have a known prefix and are long and random, unlike the name of a branch.
_TOKEN = re.compile(r"(?<![A-Za-z0-9])bit[a-z]at_(?=[A-Za-z_\-]{0,80}[0-9])[A-Za-z0-9_\-]{20,}")

SPEC = ProviderSpec(
    provider=BITRISE,
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
    url_setting="BITRISE_API_URL",
    token_setting="BITRISE_TOKEN",  # noqa: S106 - a setting's name
    connect=connect,
    parser=PARSER,
    command_handlers=COMMAND_HANDLERS,
    commands_open_to_external_users=frozenset(
        {ListApps, ShowStatus, ListBuilds, ShowBuild, ListPipelines, ShowPipeline}
    ),
)
