"""Read the builds for a poll: lists down to where the last poll began, and open builds that no list shows any more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.build import Build
from domain.poll_state import OpenBuild, PolledApp, PollState
from domain.polling import CachedResponse
from domain.provider_errors import Forbidden, NotFound, ProviderError
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.api.requests import BuildListParams

# A build is registered before it is listed, so one that appears a little late is still found.
OVERLAP = timedelta(minutes=2)
# More builds than this are first searched in the list of all open builds, which has fifty per request.
FEW = 3
AT_ONCE = 4


class ListUnreliable(Exception):
    """The list of all apps' builds can't be polled: it is not newest first, or a build names no app."""


@dataclass(frozen=True)
class ListRead:
    """The result of reading a list: `first` is its first page, `newest` the newest trigger time in it."""

    first: CachedResponse
    builds: tuple[Build, ...] = ()
    newest: datetime | None = None


async def read_all_apps(bitrise: BitriseClient, state: PollState, last: CachedResponse) -> ListRead:
    """Read the list of all apps' builds down to where the last poll began.

    Builds of apps that have not joined yet are left out: such an app is read by itself, from its newest known build on,
    and a build taken from here would make it seem read up to that build.
    Raises ListUnreliable if the list may be incomplete, and ProviderError.
    """
    until = state.seen_until - OVERLAP if state.seen_until else None
    first: CachedResponse | None = None
    builds: list[Build] = []
    newest = oldest = None
    async with aclosing(bitrise.all_builds().pages()) as pages:
        async for page in pages:
            if first is None:
                if page.body == last.body:
                    return ListRead(first=last, newest=state.seen_until)
                first = CachedResponse(page.body, frozenset(build.slug for build in page.items))
                newest = newest_trigger_time(page.items)
            if page.unplaced:
                raise ListUnreliable("the list of all builds does not say which app each belongs to")
            oldest = _check_newest_first(page.items, oldest)
            builds += (build for build in page.items if _is_joined(state, build.app_slug))
            # Without a watermark there is nothing to catch up with: every app is still read by itself.
            if until is None or (oldest is not None and oldest < until):
                break
    return ListRead(first=first or CachedResponse(), builds=tuple(builds), newest=newest or state.seen_until)


async def read_one_app(bitrise: BitriseClient, watched: PolledApp, last: CachedResponse) -> ListRead:
    """Read the list of one app's builds from `watched.since` on. Raises ProviderError.

    It relies on no order: the filter `after` is on the trigger time and inclusive (Bitrise API v0.1, "Filtering
    parameters for build list"), so every page is read.
    """
    since = watched.since - OVERLAP if watched.since else None
    first: CachedResponse | None = None
    builds: list[Build] = []
    async with aclosing(bitrise.builds(watched.app.slug, BuildListParams(after=since)).pages()) as pages:
        async for page in pages:
            if first is None:
                if page.body == last.body:
                    return ListRead(first=last)
                first = CachedResponse(page.body, frozenset(build.slug for build in page.items))
            builds += page.items
    return ListRead(first=first or CachedResponse(), builds=tuple(builds))


def _is_joined(state: PollState, app_slug: str) -> bool:
    watched = state.apps.get(app_slug)
    return watched is not None and watched.joined and state.seen_until is not None


def newest_trigger_time(builds: Iterable[Build]) -> datetime | None:
    """Return the newest time at which one of the builds was triggered."""
    return max((build.triggered_at for build in builds if build.triggered_at), default=None)


def _check_newest_first(builds: Iterable[Build], previous: datetime | None) -> datetime | None:
    """Return the last trigger time. Raises ListUnreliable if one is newer than the one before it.

    No order is documented for this list, so it is checked on every page.
    """
    for build in builds:
        if build.triggered_at is None:
            continue
        if previous is not None and build.triggered_at > previous:
            raise ListUnreliable("the list of all builds is not newest first")
        previous = build.triggered_at
    return previous


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
