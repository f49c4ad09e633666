"""What is answered to each command, however it was asked, at each provider."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from domain.commands import command_line
from domain.commands.command_line import Surface
from domain.commands.parser import CommandParser
from domain.commands.shared_commands import (
    Command,
    Connect,
    Disconnect,
    Help,
    ListAccessRules,
    ListApps,
    ListBuilds,
    ListPipelines,
    ShowAudit,
    ShowBuild,
    ShowPipeline,
    Status,
    Subscribe,
    Subscriptions,
    Unsubscribe,
    UseApp,
    WhoAmI,
    Why,
)
from domain.provider import Provider
from messages import notices
from providers.bitrise import command_handlers as bitrise_command_handlers
from providers.bitrise.builds import open_forms
from providers.buildio import command_grammar, command_handlers
from services.accounts.pasted_tokens import check_words
from services.features.access_rules import commands as access_rule_commands
from services.features.accounts import commands as account_commands
from services.features.apps import commands as app_commands
from services.features.audit_log import commands as audit_log_commands
from services.features.subscriptions import commands as subscription_commands
from services.features.subscriptions import explain
from services.request.context import Reply, RequestContext
from services.request.provider_check import check_set_up

Own = Callable[[Any, RequestContext], Awaitable[Reply | None]]
Alike = Callable[[Any, RequestContext, Provider], Awaitable[Reply | None]]


async def _help(command: Help, _context: RequestContext, provider: Provider) -> Reply:
    return Reply(notices.help_message(command.topic, command_line.grammar_of(provider)))


async def _subscribe(command: Subscribe, context: RequestContext, provider: Provider) -> Reply | None:
    asks = command == Subscribe() and bool(context.trigger_id)
    if asks and await open_forms.open_subscribe_for_some(context, provider):
        return None
    return await subscription_commands.subscribe(command, context, provider)


async def _use(command: UseApp, context: RequestContext, provider: Provider) -> Reply | None:
    if command.app or not context.trigger_id:
        return await app_commands.use_app(command, context, provider)
    await open_forms.open_choose_app(context, provider)
    return None


_ALIKE: Mapping[type[Any], Alike] = {
    Help: _help,
    UseApp: _use,
    Subscribe: _subscribe,
    Unsubscribe: subscription_commands.unsubscribe,
    Subscriptions: subscription_commands.list_subscriptions,
    Why: explain.why,
    Connect: account_commands.connect,
    Disconnect: account_commands.disconnect,
    WhoAmI: account_commands.who_am_i,
    ListAccessRules: access_rule_commands.show,
    ShowAudit: audit_log_commands.show,
}
_OWN: Mapping[Provider, Mapping[type[Any], Own]] = {
    Provider.BITRISE: bitrise_command_handlers.ANSWERS,
    Provider.BUILDIO: command_handlers.ANSWERS,
}
# What shows no more than the channel follows, or takes back what is one's own: people of other companies may, too.
_FOR_OUTSIDERS: Mapping[Provider, tuple[type[Any], ...]] = {
    Provider.BITRISE: (
        Help,
        ListApps,
        Status,
        ListBuilds,
        ShowBuild,
        ListPipelines,
        ShowPipeline,
        Subscriptions,
        Why,
        Disconnect,
    ),
    Provider.BUILDIO: (
        Help,
        Subscriptions,
        Why,
        Disconnect,
        command_grammar.ShowApp,
    ),
}
# What was kept while a provider was set up can still be seen, and ended.
_WITHOUT_A_TOKEN = (Help, Subscriptions, Unsubscribe, Disconnect)


async def parse_and_dispatch(
    text: str, context: RequestContext, *, surface: Surface, grammar: CommandParser
) -> Reply | None:
    """The answer to what a person typed; None where the answer was a message of its own.

    Raises TypedToken, CommandError and whatever `respond` does; `services.request.error_messages` puts it into words.
    """
    await check_words(text, context)
    command = command_line.parse(text, surface=surface, grammar=grammar)
    return await dispatch(command, context, grammar.provider)


async def dispatch(command: Command, context: RequestContext, provider: Provider) -> Reply | None:
    """The answer to a command at a provider.

    Raises UserError, PermissionDenied, NotAMember, UnknownApp, AmbiguousApp or ProviderError.
    """
    if not isinstance(command, _FOR_OUTSIDERS.get(provider, ())):
        await context.check_belongs()
    if not isinstance(command, _WITHOUT_A_TOKEN):
        check_set_up(provider, context)
    if (alike := _ALIKE.get(type(command))) is not None:
        return await alike(command, context, provider)
    return await _OWN[provider][type(command)](command, context)


def handled_commands(provider: Provider) -> frozenset[type[Any]]:
    """The commands that are answered at a provider."""
    return frozenset(_ALIKE) | frozenset(_OWN[provider])
