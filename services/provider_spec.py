"""A provider as the rest of the bot knows it: what people can do there, and how it appears."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from domain.access_policy import Permission
from domain.build import App
from domain.message import Message
from domain.provider import Provider
from services.actions.action_spec import ActionSpec
from services.request.context import RequestContext
from services.request.interactions import Interactions


@dataclass(frozen=True)
class ProviderSpec:
    """Everything that the bot knows of one provider before it is told any setting.

    One constant per provider (`providers/NAME/spec.py`). Services and handlers look it up in the registry and know no
    provider by name.
    """

    provider: Provider
    # What there is to be allowed there, in the order in which it is listed.
    permissions: tuple[Permission, ...] = (Permission.SUBSCRIBE,)
    # Its buttons, forms, lists, shortcuts, links and workflow functions.
    interactions: Interactions = field(default_factory=Interactions)
    # Renders one app as it stands now, where that can be shown. Raises ProviderError.
    app_card: Callable[[App, RequestContext], Awaitable[Message]] | None = None
    # What people can change there: one registration for each action class.
    actions: Sequence[ActionSpec[Any, Any, Any]] = ()
    # Finds the deployment stage of an app, which rules may be about; None where it can't be told. Raises ProviderError.
    find_stage: Callable[[App, RequestContext], Awaitable[str | None]] | None = None
    # The example by which people are told what they may do there.
    main_permission: Permission = Permission.SUBSCRIBE


class ProviderRegistry:
    """The providers of this bot, in the order in which they are offered; the first one is meant where none is named."""

    def __init__(self, specs: Sequence[ProviderSpec]) -> None:
        self._specs = {spec.provider: spec for spec in specs}

    def __iter__(self) -> Iterator[ProviderSpec]:
        return iter(self._specs.values())

    @property
    def first(self) -> ProviderSpec:
        """The provider that comes first."""
        return next(iter(self))

    def get(self, provider: Provider) -> ProviderSpec:
        """Return what is known of the provider. Raises KeyError for one that this bot does not have."""
        return self._specs[provider]
