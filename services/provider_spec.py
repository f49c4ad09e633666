"""The specification of a provider for the rest of the bot: what users can do there, and how it appears."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from domain.commands.command import Command
from services.actions.action import ExecutableAction
from services.command_spec import CommandSpec
from services.provider_connection import ProviderConnection
from services.provider_description import ProviderDescription
from services.request.interactions import Interactions


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
