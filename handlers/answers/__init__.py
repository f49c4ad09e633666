"""What the bot answers to each command, however it was asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from bot import commands, messages
from handlers.answers import acts, apps, builds, explaining, personal, results, subscriptions
from handlers.caller import Answer, Caller


async def _help(ask: commands.Help, _caller: Caller) -> Answer:
    return Answer(messages.help_message(ask.topic))


_ANSWERS: dict[type[Any], Callable[[Any, Caller], Awaitable[Answer | None]]] = {
    commands.Help: _help,
    commands.ListApps: apps.list_apps,
    commands.UseApp: apps.use_app,
    commands.WhoAmI: apps.who_am_i,
    commands.Status: builds.status,
    commands.ListBuilds: builds.list_builds,
    commands.ShowBuild: builds.show,
    commands.ShowLog: results.log,
    commands.ListArtifacts: results.artifacts,
    commands.AbortBuild: acts.abort,
    commands.TriggerBuild: acts.trigger,
    commands.Rebuild: acts.rebuild,
    commands.Subscribe: subscriptions.subscribe,
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
