"""The interface between the poller and a provider's build source, which gathers builds. The poller does the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from domain.build import Build, BuildState
from domain.pipeline import Pipeline
from domain.poll_state import Baseline, OpenBuild, PollState, Snapshot
from domain.provider import Provider
from domain.provider_errors import ProviderError

log = structlog.get_logger()

# A build that could not be found in this many polls in a row is gone from the provider.
MISSES_UNTIL_GONE = 5


@dataclass(frozen=True)
class CachedResponse:
    """A response as the provider sent it, and the builds that it lists."""

    body: bytes = b""
    listed: frozenset[str] = frozenset()


class PollOrder(Protocol):
    """Picks as many apps as one poll may request, in rotation."""

    def __call__(self, slugs: Sequence[str], *, first: Collection[str] = ()) -> Sequence[str]:
        """Pick those of `first` before the others, but leave half of the poll to the others."""


@dataclass(frozen=True)
class PollInput:
    """The input of a poll: the state, and what the poller stores for the build source.

    `unjoined` are the apps that the poll of all apps at once does not cover yet. `last` returns the last response for a
    key whose builds are stored: one that is byte for byte the same need not be parsed. `whose_turn` picks as many apps
    as one poll may request; `states` returns the states of known builds.
    """

    state: PollState
    now: datetime
    unjoined: Sequence[str]
    last: Callable[[str], CachedResponse]
    whose_turn: PollOrder
    states: Callable[[Sequence[str]], Awaitable[Mapping[str, BuildState]]]


@dataclass
class PollResult:
    """The results of one poll so far. They count even if a `failure` cut the poll short.

    `answers` are remembered once the builds are stored. `joined` are the apps that were read individually, and
    `catching_up` says that all others are to be: from now on, the list of all apps is used. `seen_until` and
    `per_app_since` are as in the state. `snapshots` are stored together with the builds or not at all. `waiting`: some
    work is left for the next poll, which should come soon.
    """

    builds: list[Build] = field(default_factory=list)
    pipelines: list[Pipeline] = field(default_factory=list)
    pipelines_gone: list[str] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    answers: dict[str, CachedResponse] = field(default_factory=dict)
    joined: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    seen_until: datetime | None = None
    per_app_since: datetime | None = None
    catching_up: bool = False
    waiting: bool = False
    failure: ProviderError | None = None

    def miss(self, builds: Sequence[OpenBuild]) -> None:
        """Report that these builds were not found; those missed too often are forgotten."""
        gone = [build.slug for build in builds if build.misses + 1 >= MISSES_UNTIL_GONE]
        self.forgotten += gone
        self.missed += (build.slug for build in builds if build.slug not in gone)
        if gone:
            log.warning("watch.builds_gone", builds=gone)


class BuildSource(Protocol):
    """Polls one provider with one token; calls never overlap."""

    @property
    def provider(self) -> Provider:
        """The provider."""

    @property
    def logs(self) -> bool:
        """Return whether failed builds have logs that the bot can read."""

    async def gather(self, known: PollInput) -> PollResult:
        """Gather what has changed. Never raises ProviderError: it is the `failure` of the result."""

    async def baseline(self, app_slug: str) -> Baseline:
        """Read the baseline of an app whose polling begins. Raises ProviderError."""

    async def probe(self) -> None:
        """Check with one small request that the provider responds. Raises ProviderError."""
