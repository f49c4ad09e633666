"""The commands that abort, start and rebuild builds."""

from __future__ import annotations

from domain.build import App, Build
from domain.commands.command import AppArgument, BuildArgument, Command, RestOfLine
from domain.commands.shared_commands import TriggerBuild
from messages import notices
from messages.kit.action_ids import START_BUILD
from messages.kit.button_values import AppButton
from providers.bitrise.action_base import BuildTarget
from providers.bitrise.api.requests import AbortRequest
from providers.bitrise.builds import trigger_form
from providers.bitrise.builds.actions import AbortBuildAction, RebuildBuildAction, TriggerBuildAction
from providers.bitrise.provider import BITRISE
from services.actions import run
from services.provider_spec import CommandSpec
from services.request.context import Reply, RequestContext
from services.request.finder import find_app, find_build


class AbortBuild(Command):
    """Abort a build, with a reason."""

    app: AppArgument = None
    build: BuildArgument
    reason: RestOfLine = None


class RebuildBuild(Command):
    """Start a build again."""

    app: AppArgument = None
    build: BuildArgument


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
    """Start a build of the app that the command names, or of the channel's app; open the form if it names no more."""
    if command.names_something:
        app = await find_app(context, command.app, BITRISE)
        return (await run.run_action(TriggerBuildAction(app=app, ask=command), context)).answer
    if context.trigger_id:
        await trigger_form.open_start(context, app_query=command.app)
        return None
    named = await context.visible_apps(BITRISE).find(command.app) if command.app is not None else None
    value = AppButton.of(named).encode()
    prompt = "Which branch or workflow?"
    return Reply(notices.open_form_prompt(prompt, "Start a build…", START_BUILD, value))


async def rebuild(command: RebuildBuild, context: RequestContext) -> Reply | None:
    """Start a build again with the same parameters."""
    app, build = await find_build(context, command.app, command.build, BITRISE)
    return await rebuild_build(app, build, context)


async def rebuild_build(app: App, build: Build, context: RequestContext) -> Reply | None:
    """Start this build again with the parameters that it was started with."""
    return (await run.run_action(RebuildBuildAction(app=app, build=BuildTarget.of(build)), context)).answer


COMMANDS = (
    CommandSpec(
        AbortBuild,
        "abort",
        "Abort a build; the channel sees who did it and why.",
        ("abort #12 wrong branch", "abort android #12"),
        handler=abort,
        aliases=("stop", "cancel"),
    ),
    CommandSpec(
        TriggerBuild,
        "trigger",
        "Start a build; without options, opens a form.",
        ("trigger", "trigger branch:main", "trigger android tag:v1.2 workflow:release env:DRY_RUN=1"),
        handler=trigger,
        notes=(
            "Give at least one of branch, tag, commit, workflow and pipeline; the form opens if you give none.",
            "`env:` can be repeated.",
        ),
        aliases=("start", "run"),
    ),
    CommandSpec(
        RebuildBuild,
        "rebuild",
        "Start a build again with the same parameters.",
        ("rebuild #12",),
        handler=rebuild,
        aliases=("retry",),
    ),
)
