"""What is answered to each command, however it was asked, at each provider."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot import commands, messages
from bot.provider import Provider
from handlers import buildio
from handlers.answers import accounts, apps, audits, bitrise, explaining, forms, policies, subscriptions
from handlers.caller import Answer, Caller
from handlers.set_up import check_set_up
from handlers.typed_tokens import check_words

Own = Callable[[Any, Caller], Awaitable[Answer | None]]
Alike = Callable[[Any, Caller, Provider], Awaitable[Answer | None]]


async def _help(ask: commands.Help, _caller: Caller, provider: Provider) -> Answer:
    return Answer(messages.help_message(ask.topic, commands.grammar_of(provider)))


async def _subscribe(ask: commands.Subscribe, caller: Caller, provider: Provider) -> Answer | None:
    asks = ask == commands.Subscribe() and bool(caller.trigger_id)
    if asks and await forms.open_subscribe_for_some(caller, provider):
        return None
    return await subscriptions.subscribe(ask, caller, provider)


async def _use(ask: commands.UseApp, caller: Caller, provider: Provider) -> Answer | None:
    if ask.app or not caller.trigger_id:
        return await apps.use_app(ask, caller, provider)
    await forms.open_choose_app(caller, provider)
    return None


_ALIKE: Mapping[type[Any], Alike] = {
    commands.Help: _help,
    commands.UseApp: _use,
    commands.Subscribe: _subscribe,
    commands.Unsubscribe: subscriptions.unsubscribe,
    commands.Subscriptions: subscriptions.list_subscriptions,
    commands.Why: explaining.why,
    commands.Connect: accounts.connect,
    commands.Disconnect: accounts.disconnect,
    commands.WhoAmI: accounts.who_am_i,
    commands.ShowPolicy: policies.show,
    commands.ShowAudit: audits.show,
}
_OWN: Mapping[Provider, Mapping[type[Any], Own]] = {
    Provider.BITRISE: bitrise.ANSWERS,
    Provider.BUILDIO: buildio.ANSWERS,
}
# What shows no more than the channel follows, or takes back what is one's own: people of other companies may, too.
_FOR_OUTSIDERS: Mapping[Provider, tuple[type[Any], ...]] = {
    Provider.BITRISE: (
        commands.Help,
        commands.ListApps,
        commands.Status,
        commands.ListBuilds,
        commands.ShowBuild,
        commands.ListPipelines,
        commands.ShowPipeline,
        commands.Subscriptions,
        commands.Why,
        commands.Disconnect,
    ),
    Provider.BUILDIO: (
        commands.Help,
        commands.Subscriptions,
        commands.Why,
        commands.Disconnect,
        commands.buildio.ShowApp,
    ),
}
# What was kept while a provider was set up can still be seen, and ended.
_WITHOUT_A_TOKEN = (commands.Help, commands.Subscriptions, commands.Unsubscribe, commands.Disconnect)


async def answer(
    text: str, caller: Caller, *, surface: commands.Surface, grammar: commands.Grammar
) -> Answer | None:
    """The answer to what a person typed; None where the answer was a message of its own.

    Raises TypedToken, CommandError and whatever `respond` does; `handlers.trouble` puts it into words.
    """
    await check_words(text, caller)
    command = commands.parse(text, surface=surface, grammar=grammar)
    return await respond(command, caller, grammar.provider)


async def respond(command: commands.Command, caller: Caller, provider: Provider) -> Answer | None:
    """The answer to a command at a provider.

    Raises NotNamed, NotAllowed, NotAMember, UnknownApp, AmbiguousApp or ProviderError.
    """
    if not isinstance(command, _FOR_OUTSIDERS.get(provider, ())):
        await caller.check_belongs()
    if not isinstance(command, _WITHOUT_A_TOKEN):
        check_set_up(provider, caller)
    if (alike := _ALIKE.get(type(command))) is not None:
        return await alike(command, caller, provider)
    return await _OWN[provider][type(command)](command, caller)


def answered(provider: Provider) -> frozenset[type[Any]]:
    """The commands that are answered at a provider."""
    return frozenset(_ALIKE) | frozenset(_OWN[provider])
