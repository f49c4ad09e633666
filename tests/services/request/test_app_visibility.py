"""Users without an account see exactly what a subscription's creator is known to see, whatever stops subscriptions."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from pydantic import SecretStr

from bot.providers_setup import SPECS
from domain.build import App
from domain.credentials import Credentials, FixedToken
from domain.notifications.rule import NotificationRule
from domain.poll_state import Baseline
from domain.provider import Provider
from domain.provider_errors import InvalidToken, NotFound, ProviderDown
from domain.subscription import AccessSource, Scope, StopReason, Subscription
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from services.accounts.app_catalog import AppCatalog, AppLists
from services.accounts.provider_clients import Clients, ProviderClients
from services.accounts.user_accounts import UserAccounts
from services.container import Services
from services.events import EventBus, UserActed
from services.jobs.access_checker import AccessChecker
from services.provider_connection import ProviderConfig, ProviderConnection
from services.request.app_visibility import FRESH_TO_SHOW, VisibleApps
from services.request.context import context_outside
from services.slack.errors import SlackCallFailed
from services.slack.web_client import SlackClient
from services.slack.workspace_members import MemberDirectory, Membership
from storage.encryption import SecretBox
from storage.personal_data import erase_everywhere
from storage.repositories import Repositories
from storage.sqlite_database import SqliteDatabase
from tests.support.factories import NOON
from tests.support.repositories import make_repositories

T = TypeVar("T")

TEAM, CHANNEL = "T1", "C1"
BEN, DORA, CARLA = "U0BEN", "U0DORA", "U0CARLA"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SERVICE_TOKEN = SecretStr("the-bots-own")
# The creators' subscriptions differ, so that they can be told apart.
RULES = {BEN: NotificationRule(), DORA: NotificationRule(started=True)}
creators = st.sampled_from((BEN, DORA))
# The reasons for which Slack or a user stops a subscription; only the access check uses UNSEEN.
reasons = st.sampled_from([reason for reason in StopReason if reason is not StopReason.UNSEEN])


class FakeProvider:
    """A provider with one app, which only some tokens can see."""

    def __init__(self, provider: Provider) -> None:
        self.app = App(provider=provider, slug="slug-x", title="codename-x")
        self.tokens_with_access = {SERVICE_TOKEN.get_secret_value()}
        self.tokens = {SERVICE_TOKEN.get_secret_value()}
        self.is_down = False

    def connection(self) -> ProviderConnection[Credentials]:
        async def app(client: Credentials, slug: str) -> App:
            if slug != self.app.slug or not await self._has_access(client):
                raise NotFound
            return self.app

        async def apps(client: Credentials) -> list[App]:
            return [self.app] if await self._has_access(client) else []

        async def reads_logs(client: Credentials, _app: App) -> bool:
            return await self._has_access(client)

        async def owner(client: Credentials) -> None:
            await self._has_access(client)

        return ProviderConnection(
            self.app.provider, lambda credentials: credentials, apps, app, owner, reads_logs
        )

    async def _has_access(self, client: Credentials) -> bool:
        token = await client.token(changes=False)
        if self.is_down:
            raise ProviderDown
        if token is None or token.get_secret_value() not in self.tokens:
            if token is not None:
                await client.refused(token)
            raise InvalidToken
        return token.get_secret_value() in self.tokens_with_access


@dataclass
class Creator:
    """The expected state of a creator and their subscription.

    `confirmed_at` is the time at which the provider last confirmed their access.
    """

    confirmed_at: datetime
    token: str | None = None
    has_access: bool = True
    refused: bool = False
    known_refused: bool = False
    lost: bool = False
    stopped: str | None = None
    unverified_since: datetime | None = None
    erased: bool = False

    def is_shown(self, now: datetime) -> bool:
        return not self.lost and now - self.confirmed_at < DAY


class EveryoneIsMember(MemberDirectory):
    """A workspace in which everyone is a full member."""

    def __init__(self) -> None:
        super().__init__(lambda _: SlackClient(), clock=lambda: NOON)

    async def membership(self, team: str, person: str) -> Membership:  # noqa: ARG002 - whoever it is
        return Membership.MEMBER


async def test_a_users_own_app_list_is_as_fresh_as_its_use_requires(
    repositories: Repositories,
) -> None:
    provider_system, now = FakeProvider(BITRISE), [NOON]
    encrypted = make_repositories(repositories.database, SecretBox(["key-" * 10]))
    workspace, token = encrypted.of(TEAM), SecretStr("token-1")
    provider_system.tokens.add("token-1")
    provider_system.tokens_with_access.add("token-1")
    await workspace.accounts.connect(BEN, BITRISE, token, provider_user="ben", name="ben", at=NOON)
    config = ProviderConfig(token=SERVICE_TOKEN)
    options: dict[str, Any] = {
        "members": EveryoneIsMember(),
        "clock": lambda: now[0],
        "verify_seconds": 0.0,
    }
    clients = ProviderClients(provider_system.connection(), config, encrypted, **options)
    ben = clients.for_user(UserAccounts(encrypted, TEAM, BEN))
    apps = VisibleApps(clients, workspace, ben, CHANNEL)
    assert await apps.slugs() == frozenset({"slug-x"})
    provider_system.tokens_with_access.discard("token-1")
    now[0] += timedelta(minutes=2)
    assert await apps.slugs() == frozenset({"slug-x"}), (
        "a list that was read with their own token stays valid"
    )
    assert await apps.slugs(fresh=FRESH_TO_SHOW) == frozenset()
    with pytest.raises(NotFound):
        await apps.fetch(provider_system.app)


async def test_an_option_list_offers_no_apps_of_a_stale_list_or_a_refused_token(
    repositories: Repositories,
) -> None:
    provider_system, now = FakeProvider(BITRISE), [NOON]
    catalog = AppCatalog(
        provider_system.connection(), FixedToken(SERVICE_TOKEN), AppLists(clock=lambda: now[0])
    )
    assert [app.slug for app in await catalog.list_in_time()] == ["slug-x"]
    provider_system.is_down = True
    now[0] += timedelta(minutes=10)
    assert [app.slug for app in await catalog.list_in_time()] == ["slug-x"]
    provider_system.is_down = False
    provider_system.tokens.clear()
    assert list(await catalog.list_in_time()) == []
    provider_system.is_down = True
    now[0] += HOUR
    assert list(await catalog.list_in_time()) == []


async def test_departed_users_are_noticed_although_slack_fails_for_another_workspace(
    repositories: Repositories,
) -> None:
    encrypted = make_repositories(repositories.database, SecretBox(["key-" * 10]))
    for team in ("T1", "T2"):
        await encrypted.of(team).accounts.connect(
            BEN, BITRISE, SecretStr("token-1"), provider_user="ben", name="ben", at=NOON
        )

    noticed = asyncio.Event()

    class Slack:
        def __init__(self, team: str) -> None:
            self.team = team

        async def users_info(self, *, user: str) -> dict[str, Any]:
            if self.team == "T1":
                raise SlackCallFailed("users.info", "account_inactive", status=200)
            return {"user": {"id": user, "deleted": True}}

    clients = SimpleNamespace(all=(), forget_person=lambda *_: None)
    events = EventBus()
    events.subscribe(UserActed, lambda _event: noticed.set())
    services = SimpleNamespace(
        clock=lambda: NOON + 2 * DAY,
        clients=clients,
        storage=encrypted,
        slack=SimpleNamespace(client=Slack),
        registry=SPECS,
        pollers=None,
        events=events,
    )
    checker = access_checker(services, every=timedelta(seconds=0.05))
    running = asyncio.create_task(checker.run())
    async with asyncio.timeout(60):
        await noticed.wait()
    checker.stop()
    await running
    assert await encrypted.of("T2").accounts.find(BEN, BITRISE) is None
    assert await encrypted.of("T1").accounts.find(BEN, BITRISE) is not None


async def _do_nothing() -> None:
    """Refresh what is known of polls: it is always current here."""


def access_checker(services: SimpleNamespace, **options: Any) -> AccessChecker:
    return AccessChecker(
        services.clients,
        services.storage,
        services.pollers,
        registry=services.registry,
        context_for=partial(context_outside, cast(Services, services)),
        clock=services.clock,
        **options,
    )


class AppVisibility(RuleBasedStateMachine):
    """Two creators' subscriptions to one app in one channel, and all events that affect them."""

    @initialize(provider=st.sampled_from((BITRISE, BUILDIO)))
    def begin(self, provider: Provider) -> None:
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.now = NOON
        self.tokens = 0
        self.provider_system = FakeProvider(provider)
        self.provider = provider
        database = self.run(SqliteDatabase.open(Path(self.folder.name) / "b.db"))
        self.storage = make_repositories(database, SecretBox(["key-" * 10]))
        self.workspace = self.storage.of(TEAM)
        self.clients = Clients(
            [self._clients(provider) for provider in (BITRISE, BUILDIO)], EveryoneIsMember()
        )
        pollers = SimpleNamespace(
            outage=lambda _: "away" if self.provider_system.is_down else None, refresh=_do_nothing
        )
        services = SimpleNamespace(
            clock=lambda: self.now,
            clients=self.clients,
            events=EventBus(),
            storage=self.storage,
            registry=SPECS,
            pollers=pollers,
        )
        self.checker = access_checker(services)
        self.creators: dict[str, Creator] = {}
        for person in (BEN, DORA):
            self.creators[person] = Creator(confirmed_at=self.now)
            self._link(person)
            self._subscribe(person)

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.run(self.storage.database.close())
            self.runner.close()
            self.folder.cleanup()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def _clients(self, provider: Provider) -> ProviderClients[Any]:
        provider_system = (
            self.provider_system if provider is self.provider_system.app.provider else FakeProvider(provider)
        )
        config = ProviderConfig(token=SERVICE_TOKEN)
        options: dict[str, Any] = {
            "members": EveryoneIsMember(),
            "clock": lambda: self.now,
            "verify_seconds": 0.0,
        }
        return ProviderClients(provider_system.connection(), config, self.storage, **options)

    def _link(self, person: str) -> None:
        self.tokens += 1
        token = f"token-{self.tokens}"
        self.provider_system.tokens.add(token)
        self.run(
            self.workspace.accounts.connect(
                person, self.provider, SecretStr(token), provider_user=token, name=token, at=self.now
            )
        )
        self.clients.forget_person(TEAM, person)
        creator = self.creators[person]
        if creator.token is not None and not creator.erased:
            creator.lost = True  # a different provider user now, whose access is unknown
        creator.token, creator.refused, creator.known_refused = token, False, False
        self._update_access(creator)

    def _update_access(self, creator: Creator) -> None:
        if creator.token is not None:
            (
                self.provider_system.tokens_with_access.add
                if creator.has_access
                else self.provider_system.tokens_with_access.discard
            )(creator.token)

    def _subscribe(self, person: str) -> None:
        scope = Scope(seen_as=AccessSource.OWN)
        self.run(
            self.workspace.subscriptions.add(
                channel=CHANNEL,
                app=self.provider_system.app,
                terms=RULES[person],
                by=person,
                at=self.now,
                baseline=Baseline(),
                scope=scope,
            )
        )

    def _find_subscription(self, person: str) -> Subscription:
        found = self.run(self.workspace.subscriptions.of_channel(CHANNEL))
        return next(subscription for subscription in found if subscription.terms == RULES[person])

    # Events

    @rule(person=creators, has_access=st.booleans())
    def access_changes(self, person: str, has_access: bool) -> None:
        self.creators[person].has_access = has_access
        self._update_access(self.creators[person])

    @rule(person=creators)
    def token_is_revoked(self, person: str) -> None:
        creator = self.creators[person]
        if creator.token is not None:
            self.provider_system.tokens.discard(creator.token)
            creator.refused = True

    @rule(person=creators)
    def user_disconnects_or_leaves(self, person: str) -> None:
        self.run(self.workspace.accounts.disconnect(person, at=self.now))
        self.clients.forget_person(TEAM, person)
        creator = self.creators[person]
        creator.token, creator.lost = None, creator.lost or not creator.erased

    @rule(person=creators)
    def user_connects_again(self, person: str) -> None:
        self._link(person)

    @rule(person=creators)
    def user_is_erased(self, person: str) -> None:
        vault, now = self.storage.vault, self.now

        async def erase() -> None:
            await self.storage.database.write(lambda db: erase_everywhere(db, TEAM, person, vault, now))

        self.run(erase())
        self.clients.forget_person(TEAM, person)
        creator = self.creators[person]
        creator.token, creator.lost, creator.erased = None, True, True

    @rule(person=creators, reason=reasons)
    def subscription_is_stopped(self, person: str, reason: StopReason) -> None:
        creator, subscription = self.creators[person], self._find_subscription(person)
        if reason is StopReason.PAUSED:
            self.run(self.workspace.subscriptions.pause(subscription, self.now))
            creator.stopped = creator.stopped or reason
        else:  # a channel that can't be posted in stops all its subscriptions
            self.run(self.workspace.subscriptions.stop(CHANNEL, reason, self.now))
            for each in self.creators.values():
                each.stopped = each.stopped or reason

    @precondition(lambda self: not self.provider_system.is_down)
    @rule(person=creators)
    def subscription_is_resumed(self, person: str) -> None:
        creator = self.creators[person]
        if creator.token is None or creator.refused or not creator.has_access:
            return  # the provider refuses it
        scope = Scope(seen_as=AccessSource.OWN)
        subscription = self._find_subscription(person)
        self.run(self.workspace.subscriptions.resume(subscription, by=person, at=self.now, scope=scope))
        creator.lost, creator.stopped, creator.confirmed_at, creator.unverified_since = (
            False,
            None,
            self.now,
            None,
        )
        creator.erased = False

    @rule(is_down=st.booleans())
    def provider_goes_down_or_up(self, is_down: bool) -> None:
        self.provider_system.is_down = is_down

    @rule(span=st.sampled_from((timedelta(minutes=5), 7 * HOUR, DAY + HOUR)))
    def bot_is_down(self, span: timedelta) -> None:
        self.now += span

    @rule()
    def access_is_checked_after_an_hour(self) -> None:
        self.now += HOUR + timedelta(minutes=1)
        self.run(self.checker.check())
        for creator in self.creators.values():
            self._expect_check(creator)

    def _expect_check(self, creator: Creator) -> None:
        """Update the expected state for an access check now."""
        if creator.stopped == StopReason.UNSEEN:
            return  # stays stopped until a user with access resumes it
        if creator.token is None or creator.erased:
            self._expect_lost(creator)
        elif self.provider_system.is_down and not creator.known_refused:
            return
        elif creator.refused:
            creator.known_refused = True
            creator.unverified_since = creator.unverified_since or self.now
            if self.now - creator.unverified_since >= DAY:
                self._expect_lost(creator)
        elif creator.has_access:
            creator.confirmed_at, creator.lost, creator.unverified_since = self.now, False, None
        else:
            self._expect_lost(creator)

    def _expect_lost(self, creator: Creator) -> None:
        creator.lost = True
        creator.stopped = creator.stopped or StopReason.UNSEEN

    # Invariants

    def _is_shown(self, channel: str | None) -> bool:
        clients = self.clients.at(self.provider)
        clients.service_apps.forget()
        carla = clients.for_user(UserAccounts(self.storage, TEAM, CARLA))
        apps = VisibleApps(clients, self.workspace, carla, channel)
        slugs = self.run(apps.slugs())
        assert slugs is not None
        return self.provider_system.app.slug in slugs

    @invariant()
    def users_without_an_account_see_what_a_creator_is_known_to_see(self) -> None:
        if not hasattr(self, "creators"):
            return
        expected = any(creator.is_shown(self.now) for creator in self.creators.values())
        assert self._is_shown(CHANNEL) == expected, self.creators
        assert self._is_shown(None) == expected, "a workflow"
        assert not self._is_shown("C2")

    @invariant()
    def active_subscriptions_are_those_that_have_not_stopped(self) -> None:
        if not hasattr(self, "creators"):
            return
        active = {
            subscription.terms
            for subscription in self.run(self.storage.subscriptions.of_app(self.provider, "slug-x"))
        }
        expected = {RULES[person] for person, creator in self.creators.items() if creator.stopped is None}
        assert active == expected


AppVisibility.TestCase.settings = settings(max_examples=20, stateful_step_count=40)
TestAppVisibility = AppVisibility.TestCase
