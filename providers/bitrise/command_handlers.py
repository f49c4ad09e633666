"""The handlers of Bitrise's own commands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from domain.commands.shared_commands import (
    Command,
    ListApps,
    ListBuilds,
    ListMyBuilds,
    ShowBuild,
    ShowProfile,
    ShowStatus,
)
from domain.commands.trigger_build import TriggerBuild
from messages import notices
from messages.kit.action_ids import START_BUILD
from messages.kit.button_values import AppButton
from providers.bitrise.api.access import visible_apps
from providers.bitrise.artifacts import commands as artifact_commands
from providers.bitrise.build_requests import commands as build_request_commands
from providers.bitrise.builds import commands as build_commands
from providers.bitrise.builds import open_forms
from providers.bitrise.commands import (
    AbortBuild,
    ListArtifacts,
    ListBuildRequests,
    ListPipelines,
    RebuildBuild,
    ShowLog,
    ShowPipeline,
    ShowYml,
)
from providers.bitrise.config import commands as config_commands
from providers.bitrise.logs import commands as log_commands
from providers.bitrise.pipelines import commands as pipeline_commands
from providers.bitrise.provider import BITRISE
from services.features.apps import commands as app_commands
from services.features.builds import commands as shared_build_commands
from services.features.profile import commands as profile_commands
from services.provider_spec import CommandHandler
from services.request.context import Reply, RequestContext


async def _trigger(command: TriggerBuild, context: RequestContext) -> Reply | None:
    if command.names_something:
        return await build_commands.trigger(command, context)
    if context.trigger_id:
        await open_forms.open_start(context, app_query=command.app)
        return None
    app = await visible_apps(context).find(command.app) if command.app is not None else None
    return Reply(
        notices.open_form_prompt(
            "Which branch, which workflow?", "Start a build…", START_BUILD, AppButton.of(app).encode()
        )
    )


def _for_bitrise(handler: Callable[..., Awaitable[Reply | None]]) -> CommandHandler:
    """Bind a handler that all providers share to Bitrise."""
    return partial(handler, provider=BITRISE)


COMMAND_HANDLERS: Mapping[type[Command], CommandHandler] = {
    ListApps: _for_bitrise(app_commands.list_apps),
    ShowStatus: _for_bitrise(shared_build_commands.status),
    ListBuilds: _for_bitrise(shared_build_commands.list_builds),
    ShowBuild: _for_bitrise(shared_build_commands.show),
    ShowLog: log_commands.show_log,
    ListArtifacts: artifact_commands.list_artifacts,
    ListBuildRequests: build_request_commands.list_requests,
    ListPipelines: pipeline_commands.list_pipelines,
    ShowPipeline: pipeline_commands.show,
    ShowYml: config_commands.show,
    AbortBuild: build_commands.abort,
    TriggerBuild: _trigger,
    RebuildBuild: build_commands.rebuild,
    ListMyBuilds: _for_bitrise(profile_commands.list_my_builds),
    ShowProfile: _for_bitrise(profile_commands.show_profile),
}
