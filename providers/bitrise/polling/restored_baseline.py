"""Current builds of apps, from which polling starts again after a restore."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import pairwise

from domain.build import App, Build, BuildRequest
from domain.poll_state import Baseline
from domain.polling import BuildSource
from domain.provider_errors import Forbidden, NotFound, RequestRejected
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.polling.builds import newest_trigger_time
from providers.bitrise.polling.source import BitriseBuildSource
from storage.watch_reset import WatchBaseline


class BaselineIncomplete(Exception):
    """The list of all builds is unusable: not newest first, not filtered, or a build names no app."""


async def read_restored_baseline(
    bitrise: BitriseClient, apps: Sequence[App], *, clock: Callable[[], datetime]
) -> WatchBaseline:
    """Read the builds of each app, without apps that the token can't see. Raises ProviderError."""
    if not apps:
        return WatchBaseline()
    try:
        builds = await _read_all_builds(bitrise, apps)
    except (BaselineIncomplete, Forbidden, NotFound, RequestRejected):
        builds = await _read_each_app(BitriseBuildSource(bitrise, clock=clock), apps)
    return WatchBaseline(builds, await _read_build_requests(bitrise, apps))


async def _read_all_builds(bitrise: BitriseClient, watched: Sequence[App]) -> dict[str, Baseline]:
    # Read the open builds last: a build that ends in between is open in the first list, so its end is noticed later.
    builds: dict[str, Build] = {}
    async for page in bitrise.all_builds().pages():
        times = [build.triggered_at for build in page.items if build.triggered_at is not None]
        if page.unplaced or any(earlier < later for earlier, later in pairwise(times)):
            raise BaselineIncomplete
        builds.update((build.slug, build) for build in page.items)
        break
    newest = newest_trigger_time(builds.values())
    async for page in bitrise.all_builds(status=0).pages():
        if page.unplaced or any(build.ended for build in page.items):
            raise BaselineIncomplete
        builds.update((build.slug, build) for build in page.items if build.slug not in builds)
    by_app: dict[str, list[Build]] = defaultdict(list)
    for build in builds.values():
        by_app[build.app_slug].append(build)
    return {app.slug: Baseline(builds=tuple(by_app[app.slug]), at=newest) for app in watched}


async def _read_each_app(reader: BuildSource, watched: Sequence[App]) -> dict[str, Baseline]:
    found = {}
    for app in watched:
        with suppress(Forbidden, NotFound):  # the bot can't poll it either
            found[app.slug] = await reader.baseline(app.slug)
    return found


async def _read_build_requests(bitrise: BitriseClient, watched: Sequence[App]) -> list[BuildRequest]:
    found: list[BuildRequest] = []
    for app in watched:
        if app.public is not False:  # only public apps have build requests, and only they are polled for them
            with suppress(Forbidden, NotFound, RequestRejected):
                found += await bitrise.build_requests(app.slug)
    return found
