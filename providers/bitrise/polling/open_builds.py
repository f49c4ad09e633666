"""Refresh builds that have not ended and that the lists no longer show."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.build import Build
from domain.poll_state import OpenBuild
from domain.provider_errors import Forbidden, NotFound, ProviderError
from providers.bitrise.api.client import BitriseClient

# More builds than this are first searched in the list of all open builds, which has fifty per request.
FEW = 3
AT_ONCE = 4


@dataclass
class OpenBuildResult:
    """The result: builds found, slugs not found, and the failure that stopped the refresh, if any."""

    builds: list[Build] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    failure: ProviderError | None = None


async def refresh_open_builds(bitrise: BitriseClient, open_builds: Sequence[OpenBuild]) -> OpenBuildResult:
    """Return the current state of the builds. Raises nothing: builds found before a failure are returned."""
    result = OpenBuildResult()
    try:
        still_open = await _list_open_builds(bitrise) if len(open_builds) > FEW else {}
    except (Forbidden, NotFound):
        still_open = {}
    except ProviderError as failure:
        result.failure = failure
        return result
    result.builds += (still_open[build.slug] for build in open_builds if build.slug in still_open)
    await _fetch_each(bitrise, [build for build in open_builds if build.slug not in still_open], result)
    return result


async def _list_open_builds(bitrise: BitriseClient) -> dict[str, Build]:
    builds: dict[str, Build] = {}
    async for page in bitrise.all_builds(status=0).pages():
        if any(build.ended for build in page.items):
            return {}  # a server that ignores the filter would otherwise be read to its first build
        builds.update((build.slug, build) for build in page.items)
    return builds


async def _fetch_each(
    bitrise: BitriseClient, open_builds: Sequence[OpenBuild], result: OpenBuildResult
) -> None:
    semaphore = asyncio.Semaphore(AT_ONCE)

    async def fetch(open_build: OpenBuild) -> None:
        async with semaphore:
            if result.failure is not None:
                return
            try:
                result.builds.append(await bitrise.build(open_build.app_slug, open_build.slug))
            except (Forbidden, NotFound):
                result.missed.append(open_build.slug)
            except ProviderError as failure:
                result.failure = failure

    async with asyncio.TaskGroup() as tasks:
        for build in open_builds:
            tasks.create_task(fetch(build))
