"""The commands that abort, start and rebuild builds."""

from __future__ import annotations

from domain.build import App, Build
from domain.commands.trigger_build import TriggerBuild
from providers.bitrise.actions import AbortBuildAction, BuildTarget, RebuildBuildAction, TriggerBuildAction
from providers.bitrise.api.requests import AbortRequest
from providers.bitrise.commands import AbortBuild, RebuildBuild
from providers.bitrise.provider import BITRISE
from services.actions import run
from services.request.context import Reply, RequestContext
from services.request.finder import find_app, find_build


async def abort(command: AbortBuild, context: RequestContext) -> Reply | None:
    """Abort a build, with the reason that the user gave."""
    app, build = await find_build(context, command.app, command.build, BITRISE)
    return await abort_build(app, build, AbortRequest(reason=command.reason), context)


async def abort_build(app: App, build: Build, order: AbortRequest, context: RequestContext) -> Reply | None:
    """Abort this build. Raises PermissionDenied, BuildAlreadyFinished or another ProviderError."""
    return (
        await run.run_action(AbortBuildAction(app=app, build=BuildTarget.of(build), order=order), context)
    ).answer


async def trigger(command: TriggerBuild, context: RequestContext) -> Reply | None:
    """Start a build of the app that the command names, or of the channel's app."""
    return await start(await find_app(context, command.app, BITRISE), command, context)


async def start(app: App, command: TriggerBuild, context: RequestContext) -> Reply | None:
    """Start a build of this app, and store the command for the next form. Raises PermissionDenied or ProviderError."""
    return (await run.run_action(TriggerBuildAction(app=app, ask=command), context)).answer


async def rebuild(command: RebuildBuild, context: RequestContext) -> Reply | None:
    """Start a build again as it was started."""
    app, build = await find_build(context, command.app, command.build, BITRISE)
    return await rebuild_build(app, build, context)


async def rebuild_build(app: App, build: Build, context: RequestContext) -> Reply | None:
    """Start this build again with the parameters that it was started with."""
    return (await run.run_action(RebuildBuildAction(app=app, build=BuildTarget.of(build)), context)).answer
