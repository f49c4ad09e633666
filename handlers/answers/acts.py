"""What changes something at the provider: abort, start, start again."""

from __future__ import annotations

import structlog

from bot import messages
from bot.bitrise import AbortOrder, EnvironmentVariable, Started, TriggerParams
from bot.build import App, Build
from bot.commands import AbortBuild, Rebuild, TriggerBuild
from handlers.caller import Answer, Audience, Caller
from handlers.finding import NotNamed, find_app, find_build

log = structlog.get_logger()


class NotAllowed(Exception):
    """The person may not do this; the sentence says who can change that."""


def may_act(caller: Caller) -> bool:
    """Whether the bot may change things at Bitrise for this person."""
    return caller.desk.service_token_acts


async def abort(ask: AbortBuild, caller: Caller) -> Answer:
    """Abort a build, with the reason that the person gave."""
    app, build = await find_build(caller, ask.app, ask.build)
    return await abort_build(app, build, AbortOrder(reason=ask.reason), caller)


async def abort_build(app: App, build: Build, order: AbortOrder, caller: Caller) -> Answer:
    """Abort this build. Raises NotAllowed, BuildAlreadyFinished or another ProviderError."""
    check_may_act(caller)
    in_words = order.model_copy(update={"reason": signed(order.reason, await caller.signature())})
    await caller.desk.bitrise.abort(app.slug, build.slug, in_words)
    note("abort", caller, app, build=build.slug, reason=order.reason)
    caller.desk.look_now()
    return Answer(messages.aborted(build, app, by=caller.person, order=order), Audience.CHANNEL)


async def trigger(ask: TriggerBuild, caller: Caller) -> Answer:
    """Start a build of the app that the order names, or of the channel's."""
    check_may_act(caller)
    return await start(await find_app(caller, ask.app), ask, caller)


async def start(app: App, ask: TriggerBuild, caller: Caller) -> Answer:
    """Start a build of this app, and remember the order for the next time. Raises NotAllowed or ProviderError."""
    started = await start_builds(app, ask, caller)
    await caller.desk.storage.starts.remember(
        caller.team, caller.person, app.slug, ask.model_copy(update={"app": app.title}), at=caller.now()
    )
    return Answer(messages.triggered(app, started, by=caller.person), Audience.CHANNEL)


async def start_builds(app: App, ask: TriggerBuild, caller: Caller) -> list[Started]:
    """Start what is asked for. Raises NotAllowed or ProviderError."""
    check_may_act(caller)
    params = TriggerParams(
        branch=ask.branch,
        tag=ask.tag,
        commit_hash=ask.commit,
        commit_message=ask.message or f"Started from Slack by {await caller.signature()}",
        workflow_id=ask.workflow,
        pipeline_id=ask.pipeline,
        started_by=caller.person or None,
        environments=tuple(EnvironmentVariable(key=key, value=value) for key, value in ask.environments),
    )
    started = await caller.desk.bitrise.trigger(app.slug, params)
    note("trigger", caller, app, builds=[one.build_slug for one in started])
    caller.desk.look_now()
    return started


async def rebuild(ask: Rebuild, caller: Caller) -> Answer:
    """Start a build again as it was started."""
    app, build = await find_build(caller, ask.app, ask.build)
    return await rebuild_build(app, build, caller)


async def rebuild_build(app: App, build: Build, caller: Caller) -> Answer:
    """Start this build again with the parameters that it was started with."""
    check_may_act(caller)
    if not build.params:
        raise NotNamed(
            f"Bitrise doesn't say how build {build.label} was started, so it can't be started again."
        )
    started = await caller.desk.bitrise.trigger(
        app.slug, TriggerParams.from_build(build, started_by=caller.person)
    )
    note("rebuild", caller, app, build=build.slug, builds=[one.build_slug for one in started])
    caller.desk.look_now()
    return Answer(messages.rebuilt(build, app, started, by=caller.person), Audience.CHANNEL)


def check_may_act(caller: Caller) -> None:
    """Raises NotAllowed where the bot may not change things for this person."""
    if not may_act(caller):
        raise NotAllowed(
            "I may only watch and read here: this Buildbell does not act with its own token (SERVICE_TOKEN_ACTS is 0)."
            " Ask whoever runs it."
        )


def signed(reason: str | None, name: str) -> str:
    """The reason with the person's name: Bitrise itself would name the owner of the bot's token."""
    return f"{reason} ({name} via Slack)" if reason else f"{name} via Slack"


def note(act: str, caller: Caller, app: App, **what: object) -> None:
    """Put an act into the audit log."""
    log.info(
        f"audit.{act}", person=caller.person, team=caller.team, channel=caller.channel, app=app.slug, **what
    )
