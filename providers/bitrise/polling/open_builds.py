"""Asking after builds that have not ended and that no list's first page shows any more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from domain.build import Build
from domain.errors import Forbidden, NotFound, ProviderError
from domain.poll_state import OpenBuild
from providers.bitrise.api.client import BitriseClient

# More builds than this are first looked for in the list of all open ones, a request for fifty of them.
FEW = 3
AT_ONCE = 4


@dataclass
class OpenBuildResult:
    """What asking gave: builds found, slugs that were not, and the failure that cut it short, if one did."""

    builds: list[Build] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    failure: ProviderError | None = None


async def refresh_open_builds(bitrise: BitriseClient, open_builds: Sequence[OpenBuild]) -> OpenBuildResult:
    """See how the builds stand now. Raises nothing: what was found before a failure counts."""
    asked = OpenBuildResult()
    try:
        still_open = await _listed_as_open(bitrise) if len(open_builds) > FEW else {}
    except (Forbidden, NotFound):
        still_open = {}
    except ProviderError as failure:
        asked.failure = failure
        return asked
    asked.builds += (still_open[one.slug] for one in open_builds if one.slug in still_open)
    await _ask_each(bitrise, [one for one in open_builds if one.slug not in still_open], asked)
    return asked


async def _listed_as_open(bitrise: BitriseClient) -> dict[str, Build]:
    builds: dict[str, Build] = {}
    async for page in bitrise.all_builds(status=0).pages():
        if any(build.ended for build in page.items):
            return {}  # a server that does not filter would otherwise be read to its first build
        builds.update((build.slug, build) for build in page.items)
    return builds


async def _ask_each(bitrise: BitriseClient, open_builds: Sequence[OpenBuild], asked: OpenBuildResult) -> None:
    places = asyncio.Semaphore(AT_ONCE)

    async def ask(one: OpenBuild) -> None:
        async with places:
            if asked.failure is not None:
                return
            try:
                asked.builds.append(await bitrise.build(one.app_slug, one.slug))
            except (Forbidden, NotFound):
                asked.missed.append(one.slug)
            except ProviderError as failure:
                asked.failure = failure

    async with asyncio.TaskGroup() as tasks:
        for one in open_builds:
            tasks.create_task(ask(one))
