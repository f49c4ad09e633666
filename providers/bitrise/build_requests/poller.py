"""The poller of builds that wait for approval: Bitrise has no list for all apps, so apps are polled in turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from domain.build import App, BuildRequest
from domain.build_author import NameDirectory
from domain.build_filter import NOBODY
from domain.message import Recipient
from domain.provider_errors import Forbidden, NotFound, ProviderError, RequestRejected
from domain.subscription import Subscription
from domain.unit import Unit
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.build_requests import messages as build_request_messages
from providers.bitrise.provider import BITRISE
from services.jobs.background_job import BackgroundJob
from services.polling.poll_schedule import PollEnd, PollSchedule
from storage.database import DatabaseUnavailable
from storage.repositories import Repositories

log = structlog.get_logger()

# Apps polled in one round, and rounds until an app is polled again: the cost does not grow with the number of apps.
APPS_A_ROUND = 10
ROUNDS_BETWEEN = 10
# An app whose requests the token may not read, or that has no such requests, is polled again after this time.
REFUSED_FOR = timedelta(days=1)
# An app without waiting builds is probably private if Bitrise does not report whether it is public.
QUIET_FOR = timedelta(hours=1)
MAX_PAUSE_SECONDS = 600.0


class BuildRequestPoller(BackgroundJob):
    """Polls public apps, since only they have pull requests from strangers, and notifies channels of waiting builds.

    Apps that may be public are polled too, but rarely while no build waits there.
    """

    name = "polling of build requests"
    unit = Unit.POLL
    key = "bitrise build requests"

    def __init__(
        self,
        bitrise: BitriseClient,
        storage: Repositories,
        *,
        every_seconds: float,
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__()
        self._bitrise = bitrise
        self._storage = storage
        self._every = every_seconds
        self._clock = clock
        self._not_before: dict[str, datetime] = {}
        self._apps: Sequence[App] = ()
        self._revision = -1
        self.schedule = PollSchedule(storage, BITRISE, self.key)

    async def run_once(self) -> float | None:
        """Poll some apps, unless another bot does; after a failure the next poll is later."""
        return await self.schedule.run(self._poll)

    async def finish(self) -> None:
        """Let another bot poll at once, instead of when this one's next poll is late."""
        await self.schedule.hand_over(Unit.POLL, self.key or "")

    async def _poll(self) -> PollEnd:
        status = self.schedule.current
        try:
            await self.poll_some()
        except ProviderError as failure:
            log.info("approvals.later", reason=str(failure))
            status = replace(status, failures=status.failures + 1, reason=str(failure))
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("approvals.broken")
            status = replace(status, failures=status.failures + 1)
        else:
            status = replace(status, failures=0, last_success=self._clock())
        pause: float = self._every * 2 ** min(status.failures, 6)
        return PollEnd(status, min(pause, max(MAX_PAUSE_SECONDS, self._every)))

    async def poll_some(self) -> None:
        """Poll the apps whose turn it is. Raises ProviderError."""
        if self._revision != self.schedule.revision:
            self._revision = self.schedule.revision
            apps = await self._storage.watched_builds.apps(BITRISE)
            self._apps = [app for app in apps if app.public is not False]
        now = self._clock()
        due = [app for app in self._apps if self._not_before.get(app.slug, now) <= now]
        due.sort(key=lambda app: self._not_before.get(app.slug, datetime.min.replace(tzinfo=now.tzinfo)))
        for app in due[:APPS_A_ROUND]:
            self._not_before[app.slug] = now + timedelta(seconds=self._every * ROUNDS_BETWEEN)
            try:
                waiting = await self._bitrise.build_requests(app.slug)
            except (Forbidden, NotFound, RequestRejected) as reason:
                log.info("approvals.not_asked", app=app.slug, reason=str(reason))
                self._not_before[app.slug] = now + REFUSED_FOR
                continue
            if app.public is None and not waiting:
                self._not_before[app.slug] = now + QUIET_FOR
            await self._store_changes(app, waiting)

    async def _store_changes(self, app: App, waiting: Sequence[BuildRequest]) -> None:
        requests, now = self._storage.build_requests, self._clock()
        open_slugs = {request.slug for request in await requests.open(BITRISE, app.slug)}
        for request in waiting:
            if request.slug in open_slugs:
                open_slugs.discard(request.slug)
                continue
            recipients = await self._find_recipients(app, request)
            card = build_request_messages.request_card(request, app)
            await requests.begin(request, recipients, card, now)
        for slug in open_slugs:
            await requests.end(
                BITRISE, slug, lambda request: build_request_messages.request_gone(request, app)
            )

    async def _find_recipients(self, app: App, request: BuildRequest) -> list[Recipient]:
        subscriptions = await self._storage.subscriptions.of_app(BITRISE, app.slug)
        names = await self._storage.subscriptions.names(subscriptions)
        matching = [
            subscription
            for subscription in subscriptions
            if _matches(subscription, request, names.get(subscription.team, NOBODY))
        ]
        return list(dict.fromkeys(subscription.recipient for subscription in matching))


def _matches(subscription: Subscription, request: BuildRequest, names: NameDirectory) -> bool:
    """Return whether the subscription matches the build; conditions on results are ignored: there is no result yet."""
    terms = subscription.terms
    if not subscription.scope.logs:
        return False  # only developers decide, and the creator may not even read logs
    return not terms.filter.builds and not terms.once and terms.filter.match(request.as_build(), names)
