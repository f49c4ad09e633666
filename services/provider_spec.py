"""The specification of a provider for the rest of the bot: its commands, what users can do there, how it appears."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any

from domain.commands.command import Command, CommandDefinition
from services.actions.action import ExecutableAction
from services.provider_connection import ProviderConnection
from services.provider_description import ProviderDescription
from services.request.context import Reply, RequestContext
from services.request.interactions import Interactions

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


@dataclass(frozen=True, kw_only=True)
class ProviderSpec(ProviderDescription):
    """Everything that the bot knows of a provider, apart from its settings.

    One constant per provider (`providers/NAME/spec.py`). Services and handlers look it up in the registry and know no
    provider by name.
    """

    # Its commands, with their handlers.
    commands: Sequence[CommandSpec] = ()
    # Its buttons, forms, lists, shortcuts, links and workflow functions.
    interactions: Interactions = field(default_factory=Interactions)
    # The classes of the actions that users can run there.
    actions: Sequence[type[ExecutableAction]] = ()
    # Connects to the provider; it takes the providers' own environment (`providers.http.environment`).
    connect: Callable[[Any], ProviderConnection[Any]] | None = None
    # The names of the settings of the API's address and of the bot's own token, and with which users sign in.
    url_setting: str = ""
    token_setting: str = ""
    oauth_settings: tuple[str, ...] = ()
    # The callback ids of its forms that are made for secrets.
    secret_forms: frozenset[str] = frozenset()

    def command_spec(self, command: Command) -> CommandSpec:
        """Return the registration of a command. Raises KeyError for one that the provider does not have."""
        return self._specs_by_class[type(command)]

    @cached_property
    def _specs_by_class(self) -> dict[type[Command], CommandSpec]:
        return {parsed: spec for spec in self.commands for parsed in (spec.command, spec.bare) if parsed}
