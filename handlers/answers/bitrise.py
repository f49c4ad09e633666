"""What can be asked of Bitrise alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot import commands, messages
from bot.messages import AppButton
from bot.messages.actions import START_BUILD
from handlers.answers import (
    acts,
    approvals,
    apps,
    builds,
    configuration,
    forms,
    logs,
    personal,
    pipelines,
    results,
)
from handlers.caller import Answer, Caller


async def _trigger(ask: commands.TriggerBuild, caller: Caller) -> Answer | None:
    if ask.names_something:
        return await acts.trigger(ask, caller)
    if caller.trigger_id:
        await forms.open_start(caller, words=ask.app)
        return None
    app = await caller.apps.find(ask.app) if ask.app is not None else None
    return Answer(
        messages.form_button(
            "Which branch, which workflow?", "Start a build…", START_BUILD, AppButton.of(app).encode()
        )
    )


ANSWERS: Mapping[type[Any], Callable[[Any, Caller], Awaitable[Answer | None]]] = {
    commands.ListApps: apps.list_apps,
    commands.Status: builds.status,
    commands.ListBuilds: builds.list_builds,
    commands.ShowBuild: builds.show,
    commands.ShowLog: logs.log,
    commands.ListArtifacts: results.artifacts,
    commands.ListApprovals: approvals.list_requests,
    commands.ListPipelines: pipelines.list_pipelines,
    commands.ShowPipeline: pipelines.show,
    commands.ShowYml: configuration.show,
    commands.AbortBuild: acts.abort,
    commands.TriggerBuild: _trigger,
    commands.Rebuild: acts.rebuild,
    commands.Mine: personal.mine,
    commands.Me: personal.me,
}
