"""The provider specification of Bitrise, and its connection."""

from __future__ import annotations

import re
from dataclasses import replace

from domain.access_policy import Permission
from providers.bitrise.artifacts import commands as artifact_commands
from providers.bitrise.artifacts.actions import SetPublicInstallPageAction
from providers.bitrise.build_requests import commands as build_request_commands
from providers.bitrise.build_requests.actions import DecideBuildRequestAction
from providers.bitrise.builds import commands as build_action_commands
from providers.bitrise.builds.actions import AbortBuildAction, RebuildBuildAction, TriggerBuildAction
from providers.bitrise.config import commands as config_commands
from providers.bitrise.connection import connect
from providers.bitrise.interactions import INTERACTIONS
from providers.bitrise.links import parse_build_ref
from providers.bitrise.logs import commands as log_commands
from providers.bitrise.pipelines import commands as pipeline_commands
from providers.bitrise.pipelines.actions import AbortPipelineAction, RebuildPipelineAction
from providers.bitrise.presentation import PRESENTATION
from providers.bitrise.provider import BITRISE
from services.features.builds.commands import app_card, build_commands
from services.features.profile.commands import profile_commands
from services.features.shared_commands import RESULTS, STYLES, shared_commands, why_command
from services.provider_spec import ProviderSpec

# Tokens have a known prefix and are long and random, unlike the name of a branch.
_TOKEN = re.compile(r"(?<![A-Za-z0-9])bit[a-z]at_(?=[A-Za-z_\-]{0,80}[0-9])[A-Za-z0-9_\-]{20,}")

_APP = "android"
_FILTERS = (
    "Filters narrow the builds: `branch:main,release/*` `-branch:dependabot/*` `target:main` (of pull requests) "
    "`tag:v*` `workflow:primary` `event:push` (or `pull-request`, `tag`) `pr:12` `by:@me` `-by:bot` "
    "`-aborted:no-changes`. Names are globs, and a minus excludes. A build of a tag has no branch, so a branch "
    "filter excludes it; `tag:v*` includes it."
)
_SHARED = shared_commands(BITRISE, app=_APP)

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
    actions=(
        AbortBuildAction,
        TriggerBuildAction,
        RebuildBuildAction,
        AbortPipelineAction,
        RebuildPipelineAction,
        SetPublicInstallPageAction,
        DecideBuildRequestAction,
    ),
    main_permission=Permission.TRIGGER,
    url_setting="BITRISE_API_URL",
    token_setting="BITRISE_TOKEN",  # noqa: S106 - a setting's name
    connect=connect,
    example="status",
    subscribe_example="subscribe by:@me -by:bot target:main",
    parse_build_ref=parse_build_ref,
    app_names="Name an app by its title, its slug or `owner/repo`, or the beginning of one;"
    " quote it if it has spaces.",
    build_names="Name a build by its number (`#12`), its slug, or a link to its page.",
    commands=(
        _SHARED["help"],
        _SHARED["apps"],
        _SHARED["use"],
        *build_commands(BITRISE, app=_APP, filters=_FILTERS),
        *log_commands.COMMANDS,
        *artifact_commands.COMMANDS,
        *build_request_commands.COMMANDS,
        *pipeline_commands.COMMANDS,
        *config_commands.COMMANDS,
        *build_action_commands.COMMANDS,
        replace(
            _SHARED["subscribe"],
            examples=(
                "subscribe",
                "subscribe android branch:main,release/* status:failed,aborted",
                "subscribe android branch:main style:card",
                "subscribe android status:broken,fixed -by:bot preview",
            ),
            notes=(
                RESULTS,
                _FILTERS,
                STYLES,
                "`preview` doesn't subscribe; it shows which of the last 50 builds would have been posted.",
            ),
        ),
        _SHARED["unsubscribe"],
        _SHARED["subscriptions"],
        why_command(
            BITRISE,
            summary="Show why a build was or wasn't posted here.",
            examples=("why #12",),
        ),
        *profile_commands(BITRISE),
        _SHARED["connect"],
        _SHARED["disconnect"],
        _SHARED["whoami"],
        _SHARED["policy"],
        _SHARED["audit"],
    ),
)
