"""Read lists of builds down to where the last poll began, and stop at once if nothing has changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.build import Build
from domain.poll_state import PolledApp, PollState
from domain.polling import CachedResponse
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.api.requests import BuildListParams

# A build is registered before it is listed, so one that appears a little late is still found.
OVERLAP = timedelta(minutes=2)


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
    async for page in bitrise.all_builds().pages():
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
    async for page in bitrise.builds(watched.app.slug, BuildListParams(after=since)).pages():
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
