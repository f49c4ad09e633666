"""The in-memory state of Bitrise's features: followed logs, the artifact index, limits on logs.

An artifact's page does not name its build, and Bitrise has no endpoint for it: hence the index. A log needs a
connection, disk space and up to minutes of a worker's time: hence the limits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from cachetools import LRUCache

from domain.commands.errors import UserError
from domain.provider_errors import ProviderError
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.logs.follower import LogFollowers
from providers.bitrise.provider import BITRISE
from services.request.context import RequestContext

log = structlog.get_logger()

MAX_ARTIFACTS = 5_000
# If an artifact was never listed, the newest successful builds of all apps are searched.
BUILDS_SEARCHED = 10
_SUCCESS = 1


class ArtifactIndex:
    """The builds of the artifacts that were listed."""

    def __init__(self, bitrise: BitriseClient) -> None:
        self._bitrise = bitrise
        self._builds = LRUCache[str, tuple[str, str]](MAX_ARTIFACTS)

    def add(self, app_slug: str, build_slug: str, artifacts: Iterable[str]) -> None:
        """Add the artifacts of a build."""
        self._builds.update((artifact, (app_slug, build_slug)) for artifact in artifacts)

    async def find(self, artifact: str) -> tuple[str, str] | None:
        """Return the slugs of the artifact's app and build; None if no known or recent build has it."""
        if artifact not in self._builds:
            await self._search(artifact)
        return self._builds.get(artifact)

    async def _search(self, artifact: str) -> None:
        try:
            async for page in self._bitrise.all_builds(status=_SUCCESS, limit=BUILDS_SEARCHED).pages():
                for build in page.items:
                    async for artifacts in self._bitrise.artifacts(build.app_slug, build.slug).pages():
                        self.add(build.app_slug, build.slug, (found.slug for found in artifacts.items))
                    if artifact in self._builds:
                        return
                break
        except ProviderError as problem:
            log.info("artifact.not_found", reason=str(problem))


class TooManyLogs(UserError):
    """The limit is reached; the message says which, and when to try again."""


@dataclass(frozen=True)
class LogLimit:
    """A limit on one kind of work; `activity` names it for the middle of a sentence."""

    activity: str
    per_person: int
    per_workspace: int
    total: int
    _reservations: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def reserve(self, team: str, person: str) -> Iterator[None]:
        """Reserve a place for one log while it is processed. Raises TooManyLogs."""
        of_person = sum(1 for reservation in self._reservations if reservation == (team, person))
        in_workspace = sum(1 for workspace, _ in self._reservations if workspace == team)
        if of_person >= self.per_person:
            logs = "a log" if self.per_person == 1 else f"{self.per_person} logs"
            raise TooManyLogs(
                f"Buildbell is still {self.activity} {logs} for you. Try again when that is done."
            )
        if in_workspace >= self.per_workspace:
            raise TooManyLogs(
                f"Buildbell is already {self.activity} {in_workspace} logs for this workspace. Try again in a minute."
            )
        if len(self._reservations) >= self.total:
            raise TooManyLogs(
                f"Buildbell is {self.activity} as many logs as it can at once. Try again in a minute."
            )
        reservation = (team, person)
        self._reservations.append(reservation)
        try:
            yield
        finally:
            self._reservations.remove(reservation)


def log_file_limit() -> LogLimit:
    """Return the limit on whole logs that are sent as files, of up to 256 MiB each."""
    return LogLimit("preparing", per_person=1, per_workspace=4, total=8)


def log_read_limit() -> LogLimit:
    """Return the limit on logs that are read for their steps, their end or a search."""
    return LogLimit("reading", per_person=3, per_workspace=8, total=24)


class BitriseState:
    """The state, made once with the bot's own client; nothing of it survives a restart.

    `log_file_limit` limits how many logs are sent as files at once, `log_read_limit` how many are read.
    """

    def __init__(
        self, client: BitriseClient, *, clock: Callable[[], datetime], follow_seconds: float
    ) -> None:
        self.log_followers = LogFollowers(clock=clock, seconds_each=follow_seconds)
        self.artifact_index = ArtifactIndex(client)
        self.log_file_limit = log_file_limit()
        self.log_read_limit = log_read_limit()
        self.jobs = (self.log_followers,)

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        self.log_followers.forget(team)


def state_of(context: RequestContext) -> BitriseState:
    """Return Bitrise's state in this bot."""
    state = context.services.clients.at(BITRISE).state
    if not isinstance(state, BitriseState):
        raise TypeError(f"Bitrise's state is {type(state).__name__}")
    return state
