"""What the bot answers to each command, however it was asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot import commands, messages
from bot.messages import AppButton
from bot.messages.actions import START_BUILD
from handlers.answers import (
    accounts,
    acts,
    approvals,
    apps,
    audits,
    builds,
    configuration,
    explaining,
    forms,
    logs,
    personal,
    pipelines,
    policies,
    results,
    subscriptions,
)
from handlers.caller import Answer, Caller
from handlers.finding import AppNotNamed


async def _help(ask: commands.Help, _caller: Caller) -> Answer:
    return Answer(messages.help_message(ask.topic))


async def _trigger(ask: commands.TriggerBuild, caller: Caller) -> Answer | None:
    if ask.names_something:
        return await acts.trigger(ask, caller)
    app = await caller.apps.find(ask.app) if ask.app is not None else None
    if caller.trigger_id:
        await forms.open_start(caller, app)
        return None
    return Answer(
        messages.form_button(
            "Which branch, which workflow?", "Start a build…", START_BUILD, AppButton.of(app).encode()
        )
    )


async def _subscribe(ask: commands.Subscribe, caller: Caller) -> Answer | None:
    try:
        return await subscriptions.subscribe(ask, caller)
    except AppNotNamed:
        if ask != commands.Subscribe() or not caller.trigger_id:
            raise
        await forms.open_subscribe(caller)
        return None


async def _use(ask: commands.UseApp, caller: Caller) -> Answer | None:
    if ask.app or not caller.trigger_id:
        return await apps.use_app(ask, caller)
    await forms.open_choose_app(caller)
    return None


_ANSWERS: dict[type[Any], Callable[[Any, Caller], Awaitable[Answer | None]]] = {
    commands.Help: _help,
    commands.ListApps: apps.list_apps,
    commands.UseApp: _use,
    commands.WhoAmI: accounts.who_am_i,
    commands.Connect: accounts.connect,
    commands.Disconnect: accounts.disconnect,
    commands.ShowPolicy: policies.show,
    commands.ShowAudit: audits.show,
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
    commands.Subscribe: _subscribe,
    commands.Unsubscribe: subscriptions.unsubscribe,
    commands.Subscriptions: subscriptions.list_subscriptions,
    commands.Why: explaining.why,
    commands.Mine: personal.mine,
    commands.Me: personal.me,
}


async def answer(text: str, caller: Caller, *, surface: commands.Surface) -> Answer | None:
    """The answer to what a person typed; None where the answer was a message of its own.

    Raises CommandError, NotNamed, NotAllowed, UnknownApp, AmbiguousApp or ProviderError, which `handlers.trouble`
    puts into words.
    """
    command = commands.parse(text, surface=surface)
    return await _ANSWERS[type(command)](command, caller)
