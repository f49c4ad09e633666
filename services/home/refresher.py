"""The Homes that people have open: rendered when they open them, and again when something changes."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from aiolimiter import AsyncLimiter

from domain.build import App, Build
from domain.build_author import NameDirectory, is_author
from domain.errors import NotConnected, ProviderError
from domain.message import Block
from domain.provider import Provider
from domain.subscription import Subscription
from messages import home
from messages.home import MOST_OF_MINE, MOST_RUNNING, HomeContent, PlacedSubscription
from messages.profile_form import ProfileForm
from services.accounts.provider_clients import Clients
from services.features.accounts import commands
from services.features.subscriptions import commands as subscription_commands
from services.home.build_cache import RecentBuildsCache
from services.lookup.duration_estimates import DurationEstimates
from services.polling.pollers import Pollers
from services.request import user_channels
from services.request.app_visibility import FRESH_TO_SHOW, subscribed_apps
from services.request.context import RequestContext
from services.request.user_channels import UserChannels
from services.slack.errors import SlackCallFailed
from services.slack.workspace_members import MembershipUnknown, NotAMember

log = structlog.get_logger()

# Slack says when a Home is opened, but not when it is left.
OPEN_FOR = timedelta(minutes=15)
# One that shows something running is kept right until that has ended, though not for ever.
OPEN_FOR_PROGRESS = timedelta(hours=4)
PLACES_FRESH = timedelta(minutes=5)
MOST_OPEN = 500
# views.publish is let through a hundred times a minute for each workspace (Slack's rules, "Pace": tier 4), and
# modals take from nothing else; half of it is left to those who open a Home anew.
PUBLISHED_A_MINUTE = 50
SHORTEST_SECONDS = 2.0
# What runs has come further by then.
PROGRESS_SECONDS = 30.0


class HomeEvents:
    """What may have changed on Homes since they were last rendered."""

    def __init__(self) -> None:
        self._people: set[tuple[str, str]] = set()
        self._wake = asyncio.Event()
        self._impatient = asyncio.Event()

    def note_change(self) -> None:
        """Note a change that all Homes may show."""
        self._wake.set()

    def note_change_by(self, team: str, person: str) -> None:
        """Note that this person of this workspace has just done something."""
        self._people.add((team, person))
        self._impatient.set()
        self._wake.set()

    def end_waits(self) -> None:
        """End every wait."""
        self._impatient.set()
        self._wake.set()

    async def wait(self) -> None:
        """Return once there is news."""
        await self._wake.wait()

    async def wait_for_action(self) -> None:
        """Return once somebody has done something and waits to see it."""
        await self._impatient.wait()

    def take(self) -> set[tuple[str, str]]:
        """Return the people, each with their workspace, who have done something, and clear the news."""
        taken, self._people = self._people, set()
        self._wake.clear()
        self._impatient.clear()
        return taken


@dataclass
class OpenHome:
    """A Home that somebody may be looking at."""

    context: RequestContext
    at: datetime
    places: tuple[datetime, UserChannels] | None = None
    shown: str = ""
    running: bool = False

    def is_open(self, now: datetime) -> bool:
        """Whether somebody may be looking at it, or it would go on to show something as running that has ended."""
        return self.at > now - (OPEN_FOR_PROGRESS if self.running else OPEN_FOR)


class HomeRefresher:
    """Renders Homes; `run` keeps the open ones up to date until it is stopped."""

    def __init__(
        self,
        recent_builds: RecentBuildsCache,
        durations: DurationEstimates,
        clients: Clients,
        pollers: Pollers,
        news: HomeEvents,
        *,
        clock: Callable[[], datetime],
        progress_seconds: float = PROGRESS_SECONDS,
    ) -> None:
        self._recent_builds = recent_builds
        self._durations = durations
        self._clients = clients
        self._pollers = pollers
        self._news = news
        self._clock = clock
        self._open: dict[tuple[str, str], OpenHome] = {}
        self._paces: defaultdict[str, AsyncLimiter] = defaultdict(
            lambda: AsyncLimiter(PUBLISHED_A_MINUTE, 60)
        )
        self._progress_seconds = progress_seconds
        self._stopping = False
        self._running = asyncio.Event()

    async def open_home(self, context: RequestContext) -> None:
        """Render the Home that somebody has opened. Raises SlackCallFailed."""
        key = (context.team, context.person)
        opened = self._open[key] = OpenHome(context, self._clock())
        if len(self._open) > MOST_OPEN:
            del self._open[next(iter(self._open))]
        await self._publish(opened)
        self._note_running(opened)

    def close_home(self, context: RequestContext) -> None:
        """Forget a Home that somebody has left for another tab."""
        self._open.pop((context.team, context.person), None)

    def forget(self, team: str) -> None:
        """Forget the workspace: the app was uninstalled from it."""
        self._open = {key: one for key, one in self._open.items() if key[0] != team}
        self._paces.pop(team, None)

    def stop(self) -> None:
        """End `run`."""
        self._stopping = True
        self._news.end_waits()

    async def run(self) -> None:
        """Keep the open Homes up to date, at Slack's pace."""
        while not self._stopping:
            await self._wait()
            if self._stopping:
                return
            people = self._news.take()
            self._recent_builds.forget()
            await self._render_all(people)
            # However much happens elsewhere, Homes are not drawn more often than this.
            with suppress(TimeoutError):
                async with asyncio.timeout(SHORTEST_SECONDS):
                    await self._news.wait_for_action()

    async def _wait(self) -> None:
        """Return once there is news, or what runs on some Home has come further; a Home may be opened meanwhile."""
        news = asyncio.create_task(self._news.wait())
        running = asyncio.create_task(self._running.wait())
        try:
            await asyncio.wait({news, running}, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait({news}, timeout=self._progress_seconds)
        finally:
            news.cancel()
            running.cancel()
            await asyncio.gather(news, running, return_exceptions=True)

    async def _render_all(self, people: set[tuple[str, str]]) -> None:
        """Render the open Homes; `people` have just done something on theirs."""
        now = self._clock()
        for key, opened in self._open.items():
            if key in people:
                opened.at, opened.places = now, None
        self._open = {key: one for key, one in self._open.items() if one.is_open(now)}
        self._running.clear()
        for key, opened in list(self._open.items()):
            if self._stopping:
                return
            if key not in self._open:
                continue  # it was left, or its workspace has gone, while others were drawn
            try:
                await self._publish(opened)
            except (SlackCallFailed, TimeoutError) as problem:
                log.info("home.not_drawn", reason=type(problem).__name__)
            except Exception:
                # One person's Home must not keep the others' from being drawn.
                log.exception("home.broken")
            self._note_running(opened)

    def _note_running(self, opened: OpenHome) -> None:
        if opened.running:
            self._running.set()

    async def _publish(self, opened: OpenHome) -> None:
        try:
            view = await self._view(opened)
        except MembershipUnknown as problem:
            if opened.shown:
                return  # what they saw a moment ago stays until Slack says who they are
            view = home.render_closed_home(str(problem), now=self._clock())
        shown = json.dumps(view["blocks"][:-1])
        if shown == opened.shown:
            return
        await self._paces[opened.context.team].acquire()
        await opened.context.slack.views_publish(user_id=opened.context.person, view=view)
        opened.shown = shown

    async def _view(self, opened: OpenHome) -> Block:
        """Return the Home; for somebody who does not belong to the workspace, why there is nothing on it."""
        try:
            await opened.context.check_belongs()
        except MembershipUnknown:
            raise
        except NotAMember as problem:
            return home.render_closed_home(str(problem), now=self._clock())
        content = await self._content(opened)
        # What runs gets further, and what could not be had may be had then.
        missing = content.missing_subscriptions or content.missing_builds
        opened.running = bool(content.running or missing)
        return home.render_home(content, now=self._clock())

    async def _content(self, opened: OpenHome) -> HomeContent:
        context = opened.context
        # The one whose builds are shown; of the others only the accounts are.
        provider, registry = self._recent_builds.provider, context.services.registry
        snapshot = await self._recent_builds.read()
        where, found = await self._subscriptions(opened)
        direct = where.direct
        visible, apps_problem = await self._visible(context, provider, found)
        person = await context.storage.user_profiles.find(context.person)
        known = NameDirectory(
            context.team, {context.person: frozenset(one for one in (person.name, person.email) if one)}
        )
        mine = [
            build
            for build in snapshot.latest
            if _is_visible(build, visible) and is_author(context.person, build, known)
        ]
        all_running = [build for build in snapshot.running if _is_visible(build, visible)]
        running = all_running[:MOST_RUNNING]
        return HomeContent(
            profile=ProfileForm(
                name=person.name,
                mention=person.mention,
                ends=direct is not None and any(one.app is None and one.channel == direct for one in found),
            ),
            ends_known=direct is not None,
            account=await commands.find_account(context, provider),
            service_acts=self._clients.at(provider).service_acts,
            running=[(build, await self._app(build)) for build in running],
            running_count=len(all_running),
            mine=[(build, await self._app(build)) for build in mine[:MOST_OF_MINE]],
            usual_durations=await self._durations.estimate_each(running),
            subscriptions=[
                PlacedSubscription(
                    row=subscription_commands.subscription_row(one, registry),
                    channel=None if one.channel == direct else one.channel,
                )
                for one in found
                if not one.terms.once
            ],
            missing_subscriptions=home.missing_places(where.direct_problem, where.channels_problem),
            missing_builds=_missing_reason(apps_problem),
            covers_all_apps=snapshot.whole and (visible is None or await context.is_linked(provider)),
            outages=subscription_commands.unavailable_providers(self._clients.configured, self._pollers),
            providers=[
                registry.presentation_of(one) for one in self._clients.configured or (self._clients.first,)
            ],
            build_list=registry.presentation_of(provider) if provider in self._clients.configured else None,
            other_accounts=[
                (one, await commands.find_account(context, one))
                for one in self._clients.configured
                if one is not provider
            ],
        )

    async def _visible(
        self, context: RequestContext, provider: Provider, found: Sequence[Subscription]
    ) -> tuple[frozenset[str] | None, ProviderError | None]:
        """Return the apps whose builds the person may see here, and why some are missing; None: all apps."""
        missing = None
        try:
            own = await context.visible_apps(provider).slugs(fresh=FRESH_TO_SHOW)
        except ProviderError as problem:
            log.info("home.apps_unknown", reason=str(problem))
            own, missing = frozenset(), problem
        # Without an account they see what their channels are told of.
        visible = own if own is None else own | subscribed_apps(found, self._clients.at(provider))
        return visible, missing

    async def _subscriptions(self, opened: OpenHome) -> tuple[UserChannels, list[Subscription]]:
        """Return the channels that the person is in, and their subscriptions."""
        now = self._clock()
        kept = opened.places
        if kept is None or not kept[1].complete or now - kept[0] > PLACES_FRESH:
            kept = opened.places = (now, await user_channels.find_user_channels(opened.context))
        return kept[1], await opened.context.storage.subscriptions.of_channels(kept[1].all)

    async def _app(self, build: Build) -> App:
        nameless = App(slug=build.app_slug, title=build.app_slug)
        apps = self._clients.at(build.provider).service_apps
        try:
            return await apps.find_by_slug(build.app_slug) or nameless
        except ProviderError:
            return nameless


def _is_visible(build: Build, visible: frozenset[str] | None) -> bool:
    return visible is None or build.app_slug in visible


def _missing_reason(problem: ProviderError | None) -> str | None:
    """Return why some builds are missing; None for somebody who has an account to link, which Home says anyway."""
    if problem is None or isinstance(problem, NotConnected):
        return None
    return f"{str(problem).removesuffix('.')}."
