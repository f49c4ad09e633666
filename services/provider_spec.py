"""The specification of a provider for the rest of the bot: what users can do there, and how it appears."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.access_policy import Permission
from domain.build import App
from domain.commands.parser import CommandParser
from domain.commands.shared_commands import Command
from domain.commands.tokenizer import line_from_message
from domain.message import Block, Message
from domain.notifications.deploy_link import DeployLink
from domain.provider import Provider
from messages.provider_presentation import ProviderPresentation
from services.actions.action_spec import ActionSpec
from services.provider_connection import ProviderConnection
from services.request.context import Reply, RequestContext
from services.request.interactions import Interactions

CommandHandler = Callable[[Any, RequestContext], Awaitable[Reply | None]]


@dataclass(frozen=True, kw_only=True)
class ProviderSpec:
    """Everything that the bot knows of a provider, apart from its settings.

    One constant per provider (`providers/NAME/spec.py`). Services and handlers look it up in the registry and know no
    provider by name.
    """

    provider: Provider
    # How it appears in messages.
    presentation: ProviderPresentation
    # The permissions that rules can grant there, in the order in which they are listed.
    permissions: tuple[Permission, ...] = (Permission.SUBSCRIBE,)
    # Its buttons, forms, lists, shortcuts, links and workflow functions.
    interactions: Interactions = field(default_factory=Interactions)
    # Renders an app as it is now, if the provider supports that. Raises ProviderError.
    app_card: Callable[[App, RequestContext], Awaitable[Message]] | None = None
    # The actions that users can run there: one registration for each action class.
    actions: Sequence[ActionSpec[Any, Any, Any]] = ()
    # Finds the deployment stage of an app, which rules may depend on; None if it is unknown. Raises ProviderError.
    find_stage: Callable[[App, RequestContext], Awaitable[str | None]] | None = None
    # The permission that `policy` reports to a user as an example.
    main_permission: Permission = Permission.SUBSCRIBE
    # Parses the text after the provider's slash command.
    parser: CommandParser
    # Handlers of the provider's own commands; those that all providers have are in `services.features.dispatch`.
    command_handlers: Mapping[type[Command], CommandHandler] = field(default_factory=dict)
    # Its own commands that people of other companies may use: they show only what the channel is subscribed to.
    commands_open_to_external_users: frozenset[type[Command]] = frozenset()
    # Returns the slug under which the poller records a run, from its app's slug and the provider's own id of the run;
    # None if they are the same.
    run_slug: Callable[[str, str], str] | None = None
    # Connects to the provider; it takes the providers' own environment (`providers.http.environment`).
    connect: Callable[[Any], ProviderConnection[Any]] | None = None
    # The names of the settings of the API's address and of the bot's own token, and with which users sign in.
    url_setting: str = ""
    token_setting: str = ""
    oauth_settings: tuple[str, ...] = ()
    # Whether the Home tab lists its running builds, and the user's own builds, found by their name at the provider.
    lists_builds: bool = False
    # The pattern of its tokens, if they can be recognised; and the callback ids of its forms that are made for secrets.
    token_pattern: re.Pattern[str] | None = None
    secret_forms: frozenset[str] = frozenset()
    # Renders the deploy links of a channel to apps of this provider, for the list of its subscriptions.
    list_deploy_links: Callable[[Sequence[DeployLink]], list[Block]] = lambda _links: []


class ProviderRegistry:
    """The providers of this bot, in the order in which they are offered; the first one is the default."""

    def __init__(self, specs: Sequence[ProviderSpec]) -> None:
        self._specs = {spec.provider: spec for spec in specs}

    def __iter__(self) -> Iterator[ProviderSpec]:
        return iter(self._specs.values())

    @property
    def first(self) -> ProviderSpec:
        """The default provider."""
        return next(iter(self))

    def presentation_of(self, provider: Provider) -> ProviderPresentation:
        """Return the provider's presentation in messages; a generic one if this bot does not have the provider."""
        spec = self._specs.get(provider)
        return spec.presentation if spec is not None else ProviderPresentation(provider)

    def get(self, provider: Provider) -> ProviderSpec:
        """Return the provider's specification. Raises KeyError for one that this bot does not have."""
        return self._specs[provider]

    def find_addressed(self, message: str, default: Provider) -> ProviderSpec:
        """Return the provider that a message names before its command (`buildio apps`), else `default`.

        Raises KeyError for a default that this bot does not have.
        """
        line = line_from_message(message)
        return next((spec for spec in self if spec.parser.is_addressed_by(line)), self.get(default))
