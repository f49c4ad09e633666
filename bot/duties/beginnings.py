"""What there is at Bitrise now, as the beginning of watching after a restore."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from bot.bitrise import Bitrise
from bot.build import App, Build, Provider
from bot.http import FixedToken, Http, NoAccess, NotFound, Refused
from bot.settings import Settings
from bot.watch import read_baseline
from storage import Baseline


class _NoWhole(Exception):
    """The list of all apps' builds is not what is needed: newest first, each with its app, filtered."""


async def read_beginnings(settings: Settings, apps: Sequence[App]) -> dict[str, Baseline]:
    """The newest builds and all open ones of each app, by its slug; apps that can't be seen are left out.

    Raises ProviderError.
    """
    async with Http() as http:
        bitrise = Bitrise(
            http,
            credentials=FixedToken(settings.bitrise_token),
            base_url=settings.bitrise_api_url,
            clock=lambda: datetime.now(UTC),
            abort_rules=settings.abort_kinds,
        )
        watched = [app.slug for app in apps if app.provider is Provider.BITRISE]
        if not watched:
            return {}
        try:
            builds, newest = await _of_all_apps(bitrise)
        except (_NoWhole, NoAccess, NotFound, Refused):
            return await _of_each_app(bitrise, watched)
    by_app: dict[str, list[Build]] = defaultdict(list)
    for build in builds:
        by_app[build.app_slug].append(build)
    return {slug: Baseline(builds=tuple(by_app[slug]), at=newest) for slug in watched}


async def _of_all_apps(bitrise: Bitrise) -> tuple[Sequence[Build], datetime | None]:
    # The open ones are read last: one that ends between the two readings is in the first as open, so its end is seen.
    builds: dict[str, Build] = {}
    async for page in bitrise.all_builds().pages():
        times = [build.triggered_at for build in page.items if build.triggered_at is not None]
        if page.unplaced or any(earlier < later for earlier, later in pairwise(times)):
            raise _NoWhole
        builds.update((build.slug, build) for build in page.items)
        break
    newest = max((build.triggered_at for build in builds.values() if build.triggered_at), default=None)
    async for page in bitrise.all_builds(status=0).pages():
        if page.unplaced or any(build.ended for build in page.items):
            raise _NoWhole
        builds.update((build.slug, build) for build in page.items if build.slug not in builds)
    return [*builds.values()], newest


async def _of_each_app(bitrise: Bitrise, slugs: Sequence[str]) -> dict[str, Baseline]:
    found = {}
    for slug in slugs:
        try:
            found[slug] = await read_baseline(bitrise, slug)
        except (NoAccess, NotFound):
            continue  # the bot can't look at it either
    return found
