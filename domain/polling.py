"""What a provider's room does for the watcher: it sees what there is to be seen. All else is the watcher's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from domain.build import Build, BuildState
from domain.errors import ProviderError
from domain.pipeline import Pipeline
from domain.poll_state import Baseline, OpenBuild, PollState, Snapshot
from domain.provider import Provider

log = structlog.get_logger()

# A build that could not be found this many looks in a row is gone from the provider.
MISSES_UNTIL_GONE = 5


@dataclass(frozen=True)
class CachedResponse:
    """An answer as the provider sent it, and the builds that it shows."""

    body: bytes = b""
    listed: frozenset[str] = frozenset()


class PollOrder(Protocol):
    """Picks from apps as many as one look may ask for, each in its turn."""

    def __call__(self, slugs: Sequence[str], *, first: Collection[str] = ()) -> Sequence[str]:
        """Those of `first` come before the others, and leave half of the look to them."""


@dataclass(frozen=True)
class PollInput:
    """What a look begins with: the state, and what the watcher keeps for its reader.

    `unjoined` are the apps that the look at all apps at once does not cover yet. `last` gives the answer that was seen
    last under a key, and whose builds are on the disk: one that is byte for byte the same need not be read.
    `whose_turn` picks from apps as many as one look may ask for; `states` gives the states of builds that are known.
    """

    state: PollState
    now: datetime
    unjoined: Sequence[str]
    last: Callable[[str], CachedResponse]
    whose_turn: PollOrder
    states: Callable[[Sequence[str]], Awaitable[Mapping[str, BuildState]]]


@dataclass
class PollResult:
    """What one look has gathered so far. What it says counts, also where a `failure` has cut it short.

    `answers` are remembered once the builds are on the disk. `joined` are the apps that were read by themselves, and
    `catching_up` says that all others are to be: the list of all apps is relied on from now on. `seen_until` and
    `per_app_since` are as in the state. `snapshots` are kept with the builds, or not at all. `waiting`: something is
    left to the next look, which is to come soon.
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
        """Say that these could not be found; whoever was not found too often is forgotten."""
        gone = [one.slug for one in builds if one.misses + 1 >= MISSES_UNTIL_GONE]
        self.forgotten += gone
        self.missed += (one.slug for one in builds if one.slug not in gone)
        if gone:
            log.warning("watch.builds_gone", builds=gone)


class BuildSource(Protocol):
    """Looks at one provider with one token; never asked while it is being asked."""

    @property
    def provider(self) -> Provider:
        """Which provider."""

    @property
    def logs(self) -> bool:
        """Whether failed builds have logs that the bot can read."""

    async def gather(self, known: PollInput) -> PollResult:
        """See what has changed. Raises nothing of the provider's: its failure is in what was gathered."""

    async def baseline(self, app_slug: str) -> Baseline:
        """What is there of an app whose watching begins. Raises ProviderError."""

    async def probe(self) -> None:
        """Find out with one small request whether the provider answers. Raises ProviderError."""
