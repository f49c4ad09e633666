"""The interfaces of a provider's client for builds and logs, and their parameters; no I/O."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from domain.build import Build, BuildState, FrozenModel
from domain.build_filter import BuildTriggerEvent

NO_STATES: frozenset[BuildState] = frozenset()


class BuildQuery(FrozenModel):
    """A query for builds of an app; an empty part matches every build.

    A provider applies as much of it as it can, so the caller must filter the result again. `after` and `before` compare
    the trigger time and are inclusive.
    """

    states: frozenset[BuildState] = NO_STATES
    branch: str | None = None
    workflow: str | None = None
    events: frozenset[BuildTriggerEvent] = frozenset()
    pull_request: int | None = None
    number: int | None = None
    after: datetime | None = None
    before: datetime | None = None
    running_first: bool = False


class BuildPage(Protocol):
    """One page of a list of builds."""

    @property
    def items(self) -> Sequence[Build]:
        """The builds on the page. Raises ProviderError."""

    @property
    def next(self) -> str | None:
        """The cursor of the next page; None on the last one. Raises ProviderError."""


class BuildList(Protocol):
    """A list of builds, read page by page as far as the caller iterates."""

    async def page(self, start: str | None = None) -> BuildPage:
        """Read one page: the first one, or the one that begins at `start`. Raises ProviderError."""

    def pages(self, start: str | None = None) -> AsyncGenerator[BuildPage, None]:
        """Iterate over the pages, from the one that begins at `start`. Raises ProviderError."""

    def __aiter__(self) -> AsyncIterator[Build]: ...


class BuildClient(Protocol):
    """Lists and reads a provider's builds with a user's credentials. Every method raises ProviderError."""

    def builds(self, app_slug: str, query: BuildQuery | None = None, *, limit: int = 50) -> BuildList:
        """List an app's builds, newest first unless the query sorts otherwise."""

    def all_builds(self, *, states: frozenset[BuildState] = NO_STATES, limit: int = 50) -> BuildList:
        """List the builds of all apps that the credentials can see, newest first."""

    async def build(self, app_slug: str, build_slug: str) -> Build:
        """Return one build. Raises NotFound."""


class LogTail(FrozenModel):
    """The end of a build's log as text with the boxes around its steps, secrets redacted.

    `still_growing`: the provider has not archived the log yet.
    """

    framed: str
    still_growing: bool


class LogClient(Protocol):
    """Reads the logs of a provider's builds with a user's credentials. Every method raises ProviderError."""

    async def log_tail(self, app_slug: str, build_slug: str, *, most: int) -> LogTail:
        """Return the last `most` bytes of a build's log. Raises NotFound if there is none."""

    async def ai_summary(self, build_slug: str) -> str | None:
        """Return the provider's own summary of why a build failed; None if it has none."""
