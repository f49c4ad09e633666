"""The registration of a command: its definition, its handler, and who may use it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

from domain.commands.command import CommandDefinition
from services.request.context import Reply, RequestContext

CommandHandler = Callable[[Any, RequestContext], Awaitable[Reply | None]]


@dataclass(frozen=True)
class CommandSpec(CommandDefinition):
    """A command of a provider, with everything that the bot knows about it.

    `handler` answers the command; it returns None if it sent a message itself. A command is `open_to_external_users`
    if people of other companies may use it: it shows only what the channel subscribes to, or removes what belongs to
    the user. It is `usable_without_token` if it needs only what is stored: data from the time when the provider was
    configured can still be listed and removed. It is `read_only` if answering it twice does no harm: that Slack sent it
    is then not stored, which takes a transaction.
    """

    _: KW_ONLY
    handler: CommandHandler
    open_to_external_users: bool = False
    usable_without_token: bool = False
    read_only: bool = False
