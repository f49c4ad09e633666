"""Renders people's Homes when they open them, and again when something changes."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from aiolimiter import AsyncLimiter

from domain.build import App, Build
from domain.build_author import NameDirectory, is_author
from domain.message import Block
from domain.provider import Provider
from domain.provider_errors import NotConnected, ProviderError
from domain.subscription import Subscription
from messages import home
from messages.home import MAX_OWN_BUILDS, MAX_RUNNING_BUILDS, HomeContent, PlacedSubscription
from messages.profile_form import ProfileForm
from services.accounts.provider_clients import Clients
from services.events import BuildsChanged, EventBus, HomeClosed, UserActed
from services.features.accounts import commands
from services.features.subscriptions import commands as subscription_commands
from services.home.build_cache import RecentBuildsCache
from services.jobs.background_job import BackgroundJob
from services.lookup.duration_estimates import DurationEstimates
from services.polling.poller import Pollers
from services.request import user_channels
from services.request.app_visibility import FRESH_TO_SHOW, subscribed_apps
from services.request.context import RequestContext
from services.request.error_messages import DATABASE_AWAY
from services.request.user_channels import UserChannels
from services.slack.errors import SlackCallFailed
from services.slack.workspace_members import MembershipUnknown, NotAMember
from storage.budgets import Budget
from storage.database import DatabaseUnavailable, WorkspaceGone

log = structlog.get_logger()

# Slack sends an event when a Home is opened, but not when it is left.
OPEN_FOR = timedelta(minutes=15)
# A Home that shows a running build is updated until the build has ended, but no longer than this.
OPEN_FOR_PROGRESS = timedelta(hours=4)
PLACES_FRESH = timedelta(minutes=5)
MAX_OPEN_HOMES = 500
# Slack allows a hundred views.publish calls a minute per workspace (Slack's rules, "Pace": tier 4), and modals take
# from nothing else; half is left for people who open their Home.
PUBLISHED_A_MINUTE = 50
SHARED_HOMES = Budget("views.publish", PUBLISHED_A_MINUTE, PUBLISHED_A_MINUTE)
SHORTEST_SECONDS = 2.0
# Between two updates of Homes that show running builds; with the update itself, people see one every thirty seconds.
PROGRESS_SECONDS = 25.0


@dataclass
class OpenHome:
    """A Home that a person may have open; `at` is when they last did something on it."""

    context: RequestContext
    at: datetime
    opened_at: datetime
    places: tuple[datetime, UserChannels] | None = None
    published: str = ""
    running: bool = False

    def is_open(self, now: datetime) -> bool:
        """Return whether the Home is still updated; longer if it shows something running, which would go stale."""
        return self.at > now - (OPEN_FOR_PROGRESS if self.running else OPEN_FOR)


class HomeRefresher(BackgroundJob):
    """Renders Homes when they are opened, and keeps the open ones up to date at Slack's pace.

    Changes elsewhere do not cause updates more often than every two seconds; a user's own action does. Of several
    bots, the one to which Slack has reported that a Home was opened updates it; after its end, the Home stays as it is
    until it is opened again.
    """

    name = "homes"
    retry_seconds = PROGRESS_SECONDS

    def __init__(
        self,
        recent_builds: RecentBuildsCache,
        durations: DurationEstimates,
        clients: Clients,
        pollers: Pollers,
        events: EventBus,
        *,
        clock: Callable[[], datetime],
        progress_seconds: float = PROGRESS_SECONDS,
    ) -> None:
        super().__init__()
        self._recent_builds = recent_builds
        self._durations = durations
        self._clients = clients
        self._pollers = pollers
        self._clock = clock
        self._open: dict[tuple[str, str], OpenHome] = {}
        self._paces: defaultdict[str, AsyncLimiter] = defaultdict(
            lambda: AsyncLimiter(PUBLISHED_A_MINUTE, 60)
        )
        self._progress_seconds = progress_seconds
        self._changed = False
        self._active_people: set[tuple[str, str]] = set()
        # Times of the event loop.
        self._rendered_at = 0.0
        self._progress_at: float | None = None
        events.subscribe(BuildsChanged, self._note_change)
        events.subscribe(UserActed, self._note_action)
        events.subscribe(HomeClosed, self._note_closed)
        self._events = events

    @property
    def open_homes(self) -> int:
        """The number of Homes that this process keeps up to date."""
        return len(self._open)

    async def open_home(self, context: RequestContext) -> None:
        """Render the Home that a person has opened. Raises SlackCallFailed."""
        key = (context.team, context.person)
        now = self._clock()
        self._events.publish(HomeClosed(*key, now.timestamp()))
        opened = self._open[key] = OpenHome(context, now, now)
        if len(self._open) > MAX_OPEN_HOMES:
            del self._open[next(iter(self._open))]
        await self._publish(opened)
        if opened.running and self._progress_at is None:
            self.wake()  # to update the progress in time

    def close_home(self, context: RequestContext) -> None:
        """Forget a Home whose person has switched to another tab."""
        self._events.publish(HomeClosed(context.team, context.person, self._clock().timestamp()))

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        self._open = {key: opened for key, opened in self._open.items() if key[0] != team}
        self._paces.pop(team, None)

    def _note_change(self, _event: BuildsChanged) -> None:
        self._changed = True
        self.wake()

    def _note_action(self, event: UserActed) -> None:
        self._active_people.add((event.team, event.person))
        self.wake()

    def _note_closed(self, event: HomeClosed) -> None:
        opened = self._open.get((event.team, event.person))
        if opened is not None and opened.opened_at.timestamp() <= event.at:
            del self._open[event.team, event.person]

    async def run_once(self) -> float | None:
        """Render the open Homes if something has changed, or if it is time to update the progress on one of them."""
        time = asyncio.get_running_loop().time
        is_running = any(opened.running for opened in self._open.values())
        if self._progress_at is None and is_running:
            self._progress_at = time() + self._progress_seconds
        if not self._active_people:
            due_times = [self._rendered_at + SHORTEST_SECONDS] if self._changed else []
            if self._progress_at is not None:
                due_times.append(self._progress_at)
            if not due_times:
                return None
            if (seconds := min(due_times) - time()) > 0:
                return seconds
        people, self._active_people = self._active_people, set()
        self._changed, self._progress_at = False, None
        self._recent_builds.forget()
        await self._render_all(people)
        self._rendered_at = time()
        return 0 if any(opened.running for opened in self._open.values()) else None

    async def _render_all(self, people: set[tuple[str, str]]) -> None:
        """Render the open Homes; `people` have just done something on theirs."""
        now = self._clock()
        for key, opened in self._open.items():
            if key in people:
                opened.at, opened.places = now, None
        self._open = {key: opened for key, opened in self._open.items() if opened.is_open(now)}
        for key, opened in list(self._open.items()):
            if self._stopping.is_set():
                return
            if key not in self._open:
                continue  # it was closed, or its workspace uninstalled the app, while others were rendered
            try:
                await self._publish(opened)
            except (SlackCallFailed, TimeoutError) as problem:
                log.info("home.not_drawn", reason=type(problem).__name__)
            except DatabaseUnavailable:
                self._changed = True
                raise
            except Exception:
                # An error in one person's Home must not stop the others.
                log.exception("home.broken")

    async def _publish(self, opened: OpenHome) -> None:
        try:
            view = await self._render_view(opened)
        except (MembershipUnknown, DatabaseUnavailable) as problem:
            if isinstance(problem, DatabaseUnavailable):
                self._note_change(BuildsChanged())  # to render it once the database is back
            if opened.published:
                return  # the last view stays until Slack confirms the membership, or the database is back
            text = DATABASE_AWAY if isinstance(problem, DatabaseUnavailable) else str(problem)
            view = home.render_closed_home(text, now=self._clock())
        blocks = json.dumps(view["blocks"][:-1])
        if blocks == opened.published:
            return
        await self._wait_for_pace(opened.context)
        await opened.context.slack.views_publish(user_id=opened.context.person, view=view)
        opened.published = blocks

    async def _wait_for_pace(self, context: RequestContext) -> None:
        """Wait until the workspace may get another Home, of this bot and of all."""
        await self._paces[context.team].acquire()
        budgets = context.services.storage.budgets
        # A removed workspace is refused by Slack; a Home that says that the database is away must be shown.
        with suppress(WorkspaceGone, DatabaseUnavailable):
            while budgets.is_needed:
                seconds = await budgets.take(context.team, SHARED_HOMES)
                if not seconds:
                    return
                await asyncio.sleep(seconds)

    async def _render_view(self, opened: OpenHome) -> Block:
        """Return the Home; for a person from outside the workspace, one that says why it is empty."""
        try:
            await opened.context.check_belongs()
        except MembershipUnknown:
            raise
        except NotAMember as problem:
            return home.render_closed_home(str(problem), now=self._clock())
        content = await self._load_content(opened)
        # Progress changes, and data that could not be loaded may be available at the next update.
        missing = content.missing_subscriptions or content.missing_builds
        opened.running = bool(content.running or missing)
        return home.render_home(content, now=self._clock())

    async def _load_content(self, opened: OpenHome) -> HomeContent:
        # A Home may stay open for long: each rendering is a request of its own, which reads the accounts again.
        context = replace(opened.context)
        # Home shows the builds of one provider; of the others only the accounts.
        provider, registry = self._recent_builds.provider, context.services.registry
        snapshot = await self._recent_builds.read()
        places, subscriptions = await self._load_subscriptions(opened)
        direct_message = places.direct
        visible, apps_problem = await self._load_visible_apps(context, provider, subscriptions)
        person = await context.storage.user_profiles.find(context.person)
        names = NameDirectory(
            context.team, {context.person: frozenset(name for name in (person.name, person.email) if name)}
        )
        mine = [
            build
            for build in snapshot.latest
            if _is_visible(build, visible) and is_author(context.person, build, names)
        ]
        all_running = [build for build in snapshot.running if _is_visible(build, visible)]
        running = all_running[:MAX_RUNNING_BUILDS]
        return HomeContent(
            profile=ProfileForm(
                name=person.name,
                mention=person.mention,
                ends=direct_message is not None
                and any(
                    subscription.app is None and subscription.channel == direct_message
                    for subscription in subscriptions
                ),
            ),
            ends_known=direct_message is not None,
            account=await commands.find_account(context, provider),
            service_acts=self._clients.at(provider).service_acts,
            running=[(build, await self._load_app(build)) for build in running],
            running_count=len(all_running),
            mine=[(build, await self._load_app(build)) for build in mine[:MAX_OWN_BUILDS]],
            usual_durations=await self._durations.estimate_each(running),
            subscriptions=[
                PlacedSubscription(
                    row=subscription_commands.subscription_row(subscription, registry),
                    channel=None if subscription.channel == direct_message else subscription.channel,
                )
                for subscription in subscriptions
                if not subscription.terms.once
            ],
            missing_subscriptions=home.missing_places(places.direct_problem, places.channels_problem),
            missing_builds=_explain_missing_builds(apps_problem),
            covers_all_apps=snapshot.whole and (visible is None or await context.is_linked(provider)),
            outages=await subscription_commands.unavailable_providers(
                self._clients.configured, self._pollers
            ),
            providers=[
                registry.presentation_of(configured)
                for configured in self._clients.configured or (self._clients.first,)
            ],
            build_list=registry.presentation_of(provider) if provider in self._clients.configured else None,
            other_accounts=[
                (other, await commands.find_account(context, other))
                for other in self._clients.configured
                if other is not provider
            ],
        )

    async def _load_visible_apps(
        self, context: RequestContext, provider: Provider, subscriptions: Sequence[Subscription]
    ) -> tuple[frozenset[str] | None, ProviderError | None]:
        """Return the apps whose builds the person may see here (None: all), and the error if some are missing."""
        missing = None
        try:
            own = await context.visible_apps(provider).slugs(fresh=FRESH_TO_SHOW)
        except ProviderError as problem:
            log.info("home.apps_unknown", reason=str(problem))
            own, missing = frozenset(), problem
        # Without an account people see the apps that their channels are subscribed to.
        visible = own if own is None else own | subscribed_apps(subscriptions, self._clients.at(provider))
        return visible, missing

    async def _load_subscriptions(self, opened: OpenHome) -> tuple[UserChannels, list[Subscription]]:
        """Return the channels that the person is in, and their subscriptions."""
        now = self._clock()
        cached = opened.places
        if cached is None or not cached[1].complete or now - cached[0] > PLACES_FRESH:
            cached = opened.places = (now, await user_channels.find_user_channels(opened.context))
        return cached[1], await opened.context.storage.subscriptions.of_channels(cached[1].all)

    async def _load_app(self, build: Build) -> App:
        unknown = App(provider=build.provider, slug=build.app_slug, title=build.app_slug)
        apps = self._clients.at(build.provider).service_apps
        try:
            return await apps.find_by_slug(build.app_slug) or unknown
        except ProviderError:
            return unknown


def _is_visible(build: Build, visible: frozenset[str] | None) -> bool:
    return visible is None or build.app_slug in visible


def _explain_missing_builds(problem: ProviderError | None) -> str | None:
    """Return why some builds are missing; None for a person without an account, whom Home asks to link one anyway."""
    if problem is None or isinstance(problem, NotConnected):
        return None
    return f"{str(problem).removesuffix('.')}."
