"""The description of a provider for requests: how it appears, and what can be typed and granted there."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Generic, TypeVar

from domain.access_policy import Permission
from domain.build import App
from domain.commands.arguments import BuildRef
from domain.commands.command import CommandDefinition
from domain.commands.parser import CommandParser
from domain.commands.tokenizer import line_from_message
from domain.message import Block, Message
from domain.notifications.deploy_link import DeployLink
from domain.provider import Provider
from messages.provider_presentation import ProviderPresentation


@dataclass(frozen=True, kw_only=True)
class ProviderDescription:
    """What the handling of a request may need to know of a provider."""

    provider: Provider
    # How it appears in messages.
    presentation: ProviderPresentation
    # The permissions that rules can grant there, in the order in which they are listed.
    permissions: tuple[Permission, ...] = (Permission.SUBSCRIBE,)
    # The permission that `policy` reports to a user as an example.
    main_permission: Permission = Permission.SUBSCRIBE
    # Renders an app as it is now for the context of a request, if the provider supports that. Raises ProviderError.
    app_card: Callable[[App, Any], Awaitable[Message]] | None = None
    # What can be typed after the provider's slash command, in the order of the help.
    commands: Sequence[CommandDefinition] = ()
    # Shown if no command was recognised, and if the text beside the form of a subscription can't be parsed.
    example: str = "help"
    subscribe_example: str = "subscribe"
    # Returns the build that a word names; None if it names none.
    parse_build_ref: Callable[[str], BuildRef | None] = lambda _word: None
    # How apps and builds are named: sentences of the help.
    app_names: str = ""
    build_names: str = ""
    # Matches the provider's name before the command in a message; by default the name itself.
    name_pattern: str = ""
    # Returns the slug under which the poller records a run, from its app's slug and the provider's own id of the run;
    # None if they are the same.
    run_slug: Callable[[str, str], str] | None = None
    # Whether the Home tab lists its running builds, and the user's own builds, found by their name at the provider.
    lists_builds: bool = False
    # The pattern of its tokens, if they can be recognised.
    token_pattern: re.Pattern[str] | None = None
    # Renders the deploy links of a channel to apps of this provider, for the list of its subscriptions.
    list_deploy_links: Callable[[Sequence[DeployLink]], list[Block]] = lambda _links: []

    @cached_property
    def parser(self) -> CommandParser:
        """The parser of the provider's commands."""
        return CommandParser(
            provider=self.provider,
            catalogue=self.commands,
            name_pattern=self.name_pattern or str(self.provider),
            example=self.example,
            parse_build_ref=self.parse_build_ref,
            subscribe_example=self.subscribe_example,
            app_names=self.app_names,
            build_names=self.build_names,
        )


DescriptionT_co = TypeVar("DescriptionT_co", bound=ProviderDescription, covariant=True)


class ProviderRegistry(Generic[DescriptionT_co]):
    """The providers of this bot, in the order in which they are offered; the first one is the default."""

    def __init__(self, specs: Sequence[DescriptionT_co]) -> None:
        self._specs = {spec.provider: spec for spec in specs}

    def __iter__(self) -> Iterator[DescriptionT_co]:
        return iter(self._specs.values())

    @property
    def first(self) -> DescriptionT_co:
        """The default provider."""
        return next(iter(self))

    def presentation_of(self, provider: Provider) -> ProviderPresentation:
        """Return the provider's presentation in messages; a generic one if this bot does not have the provider."""
        spec = self._specs.get(provider)
        return spec.presentation if spec is not None else ProviderPresentation(provider)

    def get(self, provider: Provider) -> DescriptionT_co:
        """Return what is known of the provider. Raises KeyError for one that this bot does not have."""
        return self._specs[provider]

    def find_addressed(self, message: str, default: Provider) -> DescriptionT_co:
        """Return the provider that a message names before its command (`buildio apps`), else `default`.

        Raises KeyError for a default that this bot does not have.
        """
        line = line_from_message(message)
        return next((spec for spec in self if spec.parser.is_addressed_by(line)), self.get(default))
