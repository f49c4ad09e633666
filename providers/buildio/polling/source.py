"""Polling of subscribed apps at Build.io: two requests per app, since no list contains everything."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

import structlog

from domain.poll_state import Baseline, Snapshot
from domain.polling import PollInput, PollResult
from domain.provider_errors import (
    Forbidden,
    NotFound,
    ProviderError,
    RequestRejected,
    TooLarge,
    UnexpectedResponse,
)
from providers.buildio.api.client import BuildioClient
from providers.buildio.api.models import BuildioApp, Dyno
from providers.buildio.polling.app_diff import compare, take_first_snapshot
from providers.buildio.polling.snapshot import Snapshot as AppSnapshot
from providers.buildio.provider import BUILDIO

log = structlog.get_logger()

AT_ONCE = 4
REQUESTS_AN_APP = 2


class BuildioBuildSource:
    """Compares each app's current deployment and dynos with those at the last poll."""

    provider = BUILDIO
    logs = False

    def __init__(
        self,
        buildio: BuildioClient,
        *,
        clock: Callable[[], datetime],
        provider_clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._buildio = buildio
        self._clock = clock
        self._provider_clock = provider_clock or clock
        self._polled_at: dict[str, datetime] = {}

    async def probe(self) -> None:
        """Send one small request to see if Build.io responds. Raises ProviderError."""
        with suppress(NotFound):  # the API responded
            await self._buildio.probe()

    async def baseline(self, app_slug: str) -> Baseline:
        """Return the app's current state. Raises ProviderError; also for an ID that doesn't fit into a button."""
        if not _SLUG.fullmatch(app_slug):
            raise UnexpectedResponse("the app has no ID", provider=self.provider)
        app = await self._fetch_app(app_slug)
        snapshot, builds = take_first_snapshot(app, await self._fetch_dynos(app_slug) or (), self._clock())
        return Baseline(builds=tuple(builds), snapshot=snapshot.encode())

    async def gather(self, poll_input: PollInput) -> PollResult:
        """Poll the apps that are due. A failure is part of the result, beside what was gathered."""
        gathered, semaphore = PollResult(), asyncio.Semaphore(AT_ONCE)
        busy_apps = {build.app_slug for build in poll_input.state.open_builds.values()}
        missing_apps: list[str] = []

        async def poll(slug: str) -> None:
            async with semaphore:
                if gathered.failure is not None and not isinstance(gathered.failure, _OF_ONE_APP):
                    return
                try:
                    await self._poll_app(slug, poll_input, gathered)
                except (Forbidden, NotFound) as reason:
                    # An app that the token no longer sees must not block the others.
                    log.warning("watch.app_not_seen", app=slug, reason=str(reason))
                    missing_apps.append(slug)
                except ProviderError as failure:
                    if gathered.failure is None or isinstance(gathered.failure, _OF_ONE_APP):
                        gathered.failure = failure

        async with asyncio.TaskGroup() as tasks:
            for slug in poll_input.whose_turn(list(poll_input.state.apps), first=busy_apps):
                tasks.create_task(poll(slug))
        gathered.miss(
            [build for build in poll_input.state.open_builds.values() if build.app_slug in missing_apps]
        )
        return gathered

    async def _poll_app(self, slug: str, poll_input: PollInput, gathered: PollResult) -> None:
        app = await self._fetch_app(slug)
        dynos = await self._fetch_dynos(slug)
        last_body, now = poll_input.state.snapshots.get(slug), self._clock()
        if last_body is None:
            snapshot, builds = take_first_snapshot(app, dynos or (), now)
            gathered.snapshots.append(
                Snapshot(app_slug=slug, was=None, body=snapshot.encode(), begins=tuple(builds))
            )
        else:
            snapshot, builds = compare(
                AppSnapshot.decode(last_body),
                app,
                dynos,
                now=now,
                provider_now=self._provider_clock(),
                last_polled_at=self._polled_at.get(slug),
                restarts=[restart for restart in poll_input.state.restarts if restart.app_slug == slug],
            )
            body = snapshot.encode()
            if body != last_body:
                gathered.snapshots.append(Snapshot(app_slug=slug, was=last_body, body=body))
            gathered.builds += builds
        self._polled_at[slug] = now

    async def _fetch_app(self, slug: str) -> BuildioApp:
        app = await self._buildio.app(slug)
        # A subscribed app is known by the ID of its subscription; a response may give another one.
        return app if app.id == slug else app.model_copy(update={"id": slug})

    async def _fetch_dynos(self, slug: str) -> list[Dyno] | None:
        """List the app's dynos; None if they can't be seen although the app can."""
        try:
            return await self._buildio.dynos(slug)
        except (Forbidden, NotFound, RequestRejected) as reason:
            log.info("watch.dynos_not_seen", app=slug, reason=str(reason))
            return None


_SLUG = re.compile(r"[\w-]{1,64}")
# An unreadable response about one app says nothing about the others.
_OF_ONE_APP = (UnexpectedResponse, TooLarge)
