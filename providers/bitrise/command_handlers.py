"""What can be asked of Bitrise alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from domain.commands.shared_commands import (
    AbortBuild,
    ListApprovals,
    ListApps,
    ListArtifacts,
    ListBuilds,
    ListMyBuilds,
    ListPipelines,
    Rebuild,
    ShowBuild,
    ShowLog,
    ShowPipeline,
    ShowProfile,
    ShowYml,
    Status,
    TriggerBuild,
)
from messages import notices
from messages.kit.action_ids import START_BUILD
from messages.kit.button_values import AppButton
from providers.bitrise.artifacts import commands as artifact_commands
from providers.bitrise.build_requests import commands as build_request_commands
from providers.bitrise.builds import commands as build_commands
from providers.bitrise.builds import open_forms
from providers.bitrise.config import commands as config_commands
from providers.bitrise.logs import commands as log_commands
from providers.bitrise.pipelines import commands as pipeline_commands
from services.features.apps import commands as app_commands
from services.features.builds import commands as commands_module
from services.features.profile import commands as profile_commands
from services.request.context import Reply, RequestContext


async def _trigger(command: TriggerBuild, context: RequestContext) -> Reply | None:
    if command.names_something:
        return await build_commands.trigger(command, context)
    if context.trigger_id:
        await open_forms.open_start(context, words=command.app)
        return None
    app = await context.apps.find(command.app) if command.app is not None else None
    return Reply(
        notices.form_button(
            "Which branch, which workflow?", "Start a build…", START_BUILD, AppButton.of(app).encode()
        )
    )


ANSWERS: Mapping[type[Any], Callable[[Any, RequestContext], Awaitable[Reply | None]]] = {
    ListApps: app_commands.list_apps,
    Status: commands_module.status,
    ListBuilds: commands_module.list_builds,
    ShowBuild: commands_module.show,
    ShowLog: log_commands.log,
    ListArtifacts: artifact_commands.artifacts,
    ListApprovals: build_request_commands.list_requests,
    ListPipelines: pipeline_commands.list_pipelines,
    ShowPipeline: pipeline_commands.show,
    ShowYml: config_commands.show,
    AbortBuild: build_commands.abort,
    TriggerBuild: _trigger,
    Rebuild: build_commands.rebuild,
    ListMyBuilds: profile_commands.mine,
    ShowProfile: profile_commands.me,
}
