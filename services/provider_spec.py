"""A provider as the rest of the bot knows it: what people can do there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from domain.build import App
from domain.message import Message
from domain.provider import Provider
from services.request.context import RequestContext
from services.request.interactions import Interactions


@dataclass(frozen=True)
class ProviderSpec:
    """Everything that the bot knows of one provider before it is told any setting.

    One constant per provider (`providers/NAME/spec.py`). Services and handlers look it up in the registry and know no
    provider by name. `app_card` renders one app as it stands now; it raises ProviderError.
    """

    provider: Provider
    interactions: Interactions
    app_card: Callable[[App, RequestContext], Awaitable[Message]]


class ProviderRegistry:
    """The providers of this bot, in the order in which they are offered; the first one is meant where none is named."""

    def __init__(self, specs: Sequence[ProviderSpec]) -> None:
        self._specs = {spec.provider: spec for spec in specs}

    def __iter__(self) -> Iterator[ProviderSpec]:
        return iter(self._specs.values())

    def get(self, provider: Provider) -> ProviderSpec:
        """Return what is known of the provider. Raises KeyError for one that this bot does not have."""
        return self._specs[provider]
