"""An index from artifacts to builds: an artifact's page does not name its build, and Bitrise has no endpoint for it."""

from __future__ import annotations

from collections.abc import Iterable

import structlog
from cachetools import LRUCache

from domain.provider_errors import ProviderError
from providers.bitrise.api.client import BitriseClient

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
