"""One look at the watched apps at Build.io: two requests an app, since no list tells of all."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import structlog

from domain.errors import Forbidden, NotFound, ProviderError, RequestRejected, TooLarge, UnexpectedResponse
from domain.poll_state import Baseline, Snapshot
from domain.polling import PollInput, PollResult
from domain.provider import Provider
from providers.buildio.api.models import BuildioApp, Dyno
from providers.buildio.polling.app_diff import compare, take_first_snapshot
from providers.buildio.polling.snapshot import Snapshot as AppSnapshot

log = structlog.get_logger()

AT_ONCE = 4
REQUESTS_AN_APP = 2


class BuildioApi(Protocol):
    """What the reader asks Build.io's client for. Each raises ProviderError."""

    async def app(self, name: str) -> BuildioApp:
        """One app, with its current deployment."""

    async def dynos(self, app: str) -> list[Dyno]:
        """Its processes."""

    async def probe(self) -> None:
        """One small request."""


class BuildioBuildSource:
    """Compares each app's current deployment and dynos with how they stood at the last look."""

    provider = Provider.BUILDIO
    logs = False

    def __init__(
        self,
        buildio: BuildioApi,
        *,
        clock: Callable[[], datetime],
        provider_clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._buildio = buildio
        self._clock = clock
        self._provider_clock = provider_clock or clock
        self._looked_at: dict[str, datetime] = {}

    async def probe(self) -> None:
        """Find out with one small request whether Build.io answers. Raises ProviderError."""
        await self._buildio.probe()

    async def baseline(self, app_slug: str) -> Baseline:
        """How the app stands. Raises ProviderError; also for a name that no button could carry."""
        if not _SLUG.fullmatch(app_slug):
            raise UnexpectedResponse("it gives the app no id", provider=self.provider)
        app = await self._app(app_slug)
        snapshot, builds = take_first_snapshot(app, await self._dynos(app_slug) or (), self._clock())
        return Baseline(builds=tuple(builds), snapshot=snapshot.encode())

    async def gather(self, known: PollInput) -> PollResult:
        """Look at the apps whose turn it is; a failure is in what was gathered, with what was seen beside it."""
        gathered, places = PollResult(), asyncio.Semaphore(AT_ONCE)
        runs = {one.app_slug for one in known.state.open_builds.values()}
        gone: list[str] = []

        async def look(slug: str) -> None:
            async with places:
                if gathered.failure is not None and not isinstance(gathered.failure, _OF_ONE_APP):
                    return
                try:
                    await self._look(slug, known, gathered)
                except (Forbidden, NotFound) as reason:
                    # One app that the token no longer sees must not keep the others from being seen.
                    log.warning("watch.app_not_seen", app=slug, reason=str(reason))
                    gone.append(slug)
                except ProviderError as failure:
                    if gathered.failure is None or isinstance(gathered.failure, _OF_ONE_APP):
                        gathered.failure = failure

        async with asyncio.TaskGroup() as tasks:
            for slug in known.whose_turn(list(known.state.apps), first=runs):
                tasks.create_task(look(slug))
        gathered.miss([one for one in known.state.open_builds.values() if one.app_slug in gone])
        return gathered

    async def _look(self, slug: str, known: PollInput, gathered: PollResult) -> None:
        app = await self._app(slug)
        dynos = await self._dynos(slug)
        was, now = known.state.snapshots.get(slug), self._clock()
        if was is None:
            snapshot, builds = take_first_snapshot(app, dynos or (), now)
            gathered.snapshots.append(
                Snapshot(app_slug=slug, was=None, body=snapshot.encode(), begins=tuple(builds))
            )
        else:
            snapshot, builds = compare(
                AppSnapshot.decode(was),
                app,
                dynos,
                now=now,
                provider_now=self._provider_clock(),
                looked_at=self._looked_at.get(slug),
                restarts=[one for one in known.state.restarts if one.app_slug == slug],
            )
            body = snapshot.encode()
            if body != was:
                gathered.snapshots.append(Snapshot(app_slug=slug, was=was, body=body))
            gathered.builds += builds
        self._looked_at[slug] = now

    async def _app(self, slug: str) -> BuildioApp:
        app = await self._buildio.app(slug)
        # What is watched has the id that it was subscribed to by; an answer may name the app otherwise.
        return app if app.id == slug else app.model_copy(update={"id": slug})

    async def _dynos(self, slug: str) -> list[Dyno] | None:
        """The app's dynos; None where they can't be seen, though the app can."""
        try:
            return await self._buildio.dynos(slug)
        except (Forbidden, NotFound, RequestRejected) as reason:
            log.info("watch.dynos_not_seen", app=slug, reason=str(reason))
            return None


_SLUG = re.compile(r"[\w-]{1,64}")
# An answer about one app that can't be read says nothing of the others.
_OF_ONE_APP = (UnexpectedResponse, TooLarge)
