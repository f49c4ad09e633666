"""What there is at Bitrise now, as the beginning of watching after a restore."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise

from bot.bitrise import Bitrise
from bot.bitrise.watching import read_baseline
from bot.build import App, Build
from bot.build_request import BuildRequest
from bot.http import FixedToken, Http, NoAccess, NotFound, Refused
from bot.provider import Provider
from bot.settings import Settings
from storage import Baseline, Beginning


class _NotWhole(Exception):
    """The list of all apps' builds is not what is needed: newest first, each with its app, filtered."""


async def read_beginning(settings: Settings, apps: Sequence[App]) -> Beginning:
    """What there is of each of the apps; those that can't be seen are left out. Raises ProviderError."""
    watched = [app for app in apps if app.provider is Provider.BITRISE]
    if not watched:
        return Beginning()
    async with Http() as http:
        bitrise = Bitrise(
            http,
            credentials=FixedToken(settings.bitrise_token),
            base_url=settings.bitrise_api_url,
            clock=lambda: datetime.now(UTC),
            abort_rules=settings.abort_kinds,
        )
        try:
            builds = await _of_all_apps(bitrise, watched)
        except (_NotWhole, NoAccess, NotFound, Refused):
            builds = await _of_each_app(bitrise, watched)
        return Beginning(builds, await _requests(bitrise, watched))


async def _of_all_apps(bitrise: Bitrise, watched: Sequence[App]) -> dict[str, Baseline]:
    # The open ones are read last: one that ends between the two readings is in the first as open, so its end is seen.
    builds: dict[str, Build] = {}
    async for page in bitrise.all_builds().pages():
        times = [build.triggered_at for build in page.items if build.triggered_at is not None]
        if page.unplaced or any(earlier < later for earlier, later in pairwise(times)):
            raise _NotWhole
        builds.update((build.slug, build) for build in page.items)
        break
    newest = max((build.triggered_at for build in builds.values() if build.triggered_at), default=None)
    async for page in bitrise.all_builds(status=0).pages():
        if page.unplaced or any(build.ended for build in page.items):
            raise _NotWhole
        builds.update((build.slug, build) for build in page.items if build.slug not in builds)
    by_app: dict[str, list[Build]] = defaultdict(list)
    for build in builds.values():
        by_app[build.app_slug].append(build)
    return {app.slug: Baseline(builds=tuple(by_app[app.slug]), at=newest) for app in watched}


async def _of_each_app(bitrise: Bitrise, watched: Sequence[App]) -> dict[str, Baseline]:
    found = {}
    for app in watched:
        with suppress(NoAccess, NotFound):  # the bot can't look at it either
            found[app.slug] = await read_baseline(bitrise, app.slug)
    return found


async def _requests(bitrise: Bitrise, watched: Sequence[App]) -> list[BuildRequest]:
    found: list[BuildRequest] = []
    for app in watched:
        if app.public is not False:  # only public apps have any, and only they are asked while watching
            with suppress(NoAccess, NotFound, Refused):
                found += await bitrise.build_requests(app.slug)
    return found
