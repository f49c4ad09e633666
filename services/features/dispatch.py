"""Dispatch of typed commands to their handlers, for each provider and however they were sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from domain.commands import command_line
from domain.commands.command_line import Surface
from domain.commands.parser import CommandParser
from domain.commands.shared_commands import (
    Command,
    ConnectAccount,
    DisconnectAccount,
    ExplainNotification,
    ListAccessRules,
    ListSubscriptions,
    ShowAuditLog,
    ShowHelp,
    Subscribe,
    Unsubscribe,
    UseApp,
    WhoAmI,
)
from domain.provider import Provider
from messages import notices
from services.accounts.pasted_tokens import check_command_text
from services.features.access_rules import commands as access_rule_commands
from services.features.accounts import commands as account_commands
from services.features.apps import commands as app_commands
from services.features.apps.open_form import open_choose_app
from services.features.audit_log import commands as audit_log_commands
from services.features.subscriptions import commands as subscription_commands
from services.features.subscriptions import explain
from services.features.subscriptions.open_form import open_subscribe_unless_one_app
from services.provider_spec import ProviderSpec
from services.request.context import Reply, RequestContext
from services.request.provider_check import check_configured

SharedCommandHandler = Callable[[Any, RequestContext, Provider], Awaitable[Reply | None]]


async def _help(command: ShowHelp, context: RequestContext, provider: Provider) -> Reply:
    return Reply(notices.help_message(command.topic, context.services.registry.get(provider).parser))


async def _subscribe(command: Subscribe, context: RequestContext, provider: Provider) -> Reply | None:
    asks_for_form = command == Subscribe() and bool(context.trigger_id)
    if asks_for_form and await open_subscribe_unless_one_app(context, provider):
        return None
    return await subscription_commands.subscribe(command, context, provider)


async def _use(command: UseApp, context: RequestContext, provider: Provider) -> Reply | None:
    if command.app or not context.trigger_id:
        return await app_commands.use_app(command, context, provider)
    await open_choose_app(context, provider)
    return None


_SHARED_HANDLERS: Mapping[type[Command], SharedCommandHandler] = {
    ShowHelp: _help,
    UseApp: _use,
    Subscribe: _subscribe,
    Unsubscribe: subscription_commands.unsubscribe,
    ListSubscriptions: subscription_commands.list_subscriptions,
    ExplainNotification: explain.explain_notification,
    ConnectAccount: account_commands.connect,
    DisconnectAccount: account_commands.disconnect,
    WhoAmI: account_commands.who_am_i,
    ListAccessRules: access_rule_commands.show,
    ShowAuditLog: audit_log_commands.show,
}
# People of other companies may use these at every provider, and some of each provider's own (`ProviderSpec`): they
# show only what the channel subscribes to, or remove what belongs to the user.
_OPEN_TO_EXTERNAL_USERS = (ShowHelp, ListSubscriptions, ExplainNotification, DisconnectAccount)
# Data that was stored while a provider was configured can still be listed and removed.
_USABLE_WITHOUT_A_TOKEN = (ShowHelp, ListSubscriptions, Unsubscribe, DisconnectAccount)


async def parse_and_dispatch(
    text: str, context: RequestContext, *, surface: Surface, parser: CommandParser
) -> Reply | None:
    """Parse a typed command and return the reply; None if the handler sent a message itself.

    Raises PastedToken, CommandError and whatever `dispatch` raises; `services.request.error_messages` renders them.
    """
    await check_command_text(text, context)
    command = command_line.parse(text, surface=surface, parser=parser)
    return await dispatch(command, context, parser.provider)


async def dispatch(command: Command, context: RequestContext, provider: Provider) -> Reply | None:
    """Return the reply to a command at a provider.

    Raises UserError, PermissionDenied, NotAMember, UnknownApp, AmbiguousApp or ProviderError.
    """
    spec = context.services.registry.get(provider)
    if not isinstance(command, (*_OPEN_TO_EXTERNAL_USERS, *spec.commands_open_to_external_users)):
        await context.check_belongs()
    if not isinstance(command, _USABLE_WITHOUT_A_TOKEN):
        check_configured(provider, context)
    if (shared_handler := _SHARED_HANDLERS.get(type(command))) is not None:
        return await shared_handler(command, context, provider)
    return await spec.command_handlers[type(command)](command, context)


def handled_commands(spec: ProviderSpec) -> frozenset[type[Command]]:
    """Return the commands that have a handler at a provider."""
    return frozenset(_SHARED_HANDLERS) | frozenset(spec.command_handlers)
