"""Whatever stops subscriptions, people without an account are shown what a maker is known to see, and nothing else."""

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
from domain.errors import InvalidToken, NotFound, ProviderDown
from domain.notifications.rule import NotificationRule
from domain.poll_state import Baseline
from domain.provider import Provider
from domain.subscription import AccessSource, Scope, StopReason, Subscription
from services.accounts.app_catalog import AppCatalog
from services.accounts.provider_clients import Clients, ProviderClients
from services.container import Services
from services.jobs.access_checker import AccessChecker
from services.provider_connection import ProviderConfig, ProviderConnection
from services.request.app_visibility import FRESH_TO_SHOW, VisibleApps
from services.request.context import context_outside
from services.slack.errors import SlackCallFailed
from services.slack.web_client import SlackClient
from services.slack.workspace_members import MemberDirectory, Membership
from storage.database import Database
from storage.encryption import SecretBox
from storage.personal_data import erase_everywhere
from storage.repositories import Repositories
from tests.support.factories import NOON
from tests.support.repositories import make_repositories

T = TypeVar("T")

TEAM, CHANNEL = "T1", "C1"
BEN, DORA, NOBODY = "U0BEN", "U0DORA", "U0CARLA"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BOTS_TOKEN = SecretStr("the-bots-own")
# Each maker's subscription is another one, since it asks for something else.
TERMS = {BEN: NotificationRule(), DORA: NotificationRule(started=True)}
makers = st.sampled_from((BEN, DORA))
# What Slack, or somebody, stops one for; for UNSEEN only the checking does.
reasons = st.sampled_from([one for one in StopReason if one is not StopReason.UNSEEN])


class BuildSystem:
    """A provider that knows which token sees the one app."""

    def __init__(self, provider: Provider) -> None:
        self.app = App(provider=provider, slug="slug-x", title="codename-x")
        self.seeing = {BOTS_TOKEN.get_secret_value()}
        self.tokens = {BOTS_TOKEN.get_secret_value()}
        self.away = False

    def connection(self) -> ProviderConnection[Credentials]:
        async def app(client: Credentials, slug: str) -> App:
            if slug != self.app.slug or not await self._sees(client):
                raise NotFound
            return self.app

        async def apps(client: Credentials) -> list[App]:
            return [self.app] if await self._sees(client) else []

        async def reads_logs(client: Credentials, _app: App) -> bool:
            return await self._sees(client)

        async def owner(client: Credentials) -> None:
            await self._sees(client)

        return ProviderConnection(self.app.provider, lambda one: one, apps, app, owner, reads_logs)

    async def _sees(self, client: Credentials) -> bool:
        token = await client.token(changes=False)
        if self.away:
            raise ProviderDown
        if token is None or token.get_secret_value() not in self.tokens:
            if token is not None:
                await client.refused(token)
            raise InvalidToken
        return token.get_secret_value() in self.seeing


@dataclass
class Maker:
    """What is to be known of a maker and their subscription. `yes_at`: when the provider last said that they see it."""

    yes_at: datetime
    token: str | None = None
    sees: bool = True
    refused: bool = False
    known_refused: bool = False
    lost: bool = False
    stopped: str | None = None
    doubted_since: datetime | None = None
    erased: bool = False

    def shows(self, now: datetime) -> bool:
        return not self.lost and now - self.yes_at < DAY


class Everybody(MemberDirectory):
    """A workspace in which all are full members."""

    def __init__(self) -> None:
        super().__init__(lambda _: SlackClient(), clock=lambda: NOON)

    async def membership(self, team: str, person: str) -> Membership:  # noqa: ARG002 - whoever it is
        return Membership.MEMBER


async def test_a_list_of_ones_own_is_as_fresh_as_what_is_shown_by_it_needs(
    repositories: Repositories,
) -> None:
    system, now = BuildSystem(Provider.BITRISE), [NOON]
    sealing = make_repositories(repositories.database, SecretBox(["key-" * 10]))
    here, seeing = sealing.of(TEAM), SecretStr("token-1")
    system.tokens.add("token-1")
    system.seeing.add("token-1")
    await here.accounts.connect(BEN, Provider.BITRISE, seeing, provider_user="ben", name="ben", at=NOON)
    settled = ProviderConfig(token=BOTS_TOKEN)
    known: dict[str, Any] = {
        "members": Everybody(),
        "asked": lambda: None,
        "clock": lambda: now[0],
        "verify_seconds": 0.0,
    }
    clients = ProviderClients(system.connection(), settled, sealing, **known)
    apps = VisibleApps(clients, here, BEN, CHANNEL)
    assert await apps.slugs() == frozenset({"slug-x"})
    system.seeing.discard("token-1")
    now[0] += timedelta(minutes=2)
    assert await apps.slugs() == frozenset({"slug-x"}), (
        "an answer read with their own token shows what that sees"
    )
    assert await apps.slugs(fresh=FRESH_TO_SHOW) == frozenset()
    with pytest.raises(NotFound):
        await apps.fetch(system.app)


async def test_a_list_that_is_searched_by_typing_holds_nothing_of_long_ago_or_of_a_refused_token(
    repositories: Repositories,
) -> None:
    system, now = BuildSystem(Provider.BITRISE), [NOON]
    directory = AppCatalog(system.connection(), FixedToken(BOTS_TOKEN), clock=lambda: now[0])
    assert [one.slug for one in await directory.list_in_time()] == ["slug-x"]
    system.away = True
    now[0] += timedelta(minutes=10)
    assert [one.slug for one in await directory.list_in_time()] == ["slug-x"]
    system.away = False
    system.tokens.clear()
    assert list(await directory.list_in_time()) == []
    system.away = True
    now[0] += HOUR
    assert list(await directory.list_in_time()) == []


async def test_a_workspace_whose_slack_does_not_answer_keeps_nobody_elsewhere_from_being_noticed_as_gone(
    repositories: Repositories,
) -> None:
    sealing = make_repositories(repositories.database, SecretBox(["key-" * 10]))
    for team in ("T1", "T2"):
        await sealing.of(team).accounts.connect(
            BEN, Provider.BITRISE, SecretStr("token-1"), provider_user="ben", name="ben", at=NOON
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
    services = SimpleNamespace(
        clock=lambda: NOON + 2 * DAY,
        clients=clients,
        storage=sealing,
        slack=Slack,
        registry=SPECS,
        pollers=None,
        events=SimpleNamespace(
            access_changed=lambda: None,
            outbox_changed=lambda: None,
            home_changed=lambda *_: noticed.set(),
        ),
    )
    sight = access_checker(services, every=timedelta(seconds=0.05))
    running = asyncio.create_task(sight.run())
    async with asyncio.timeout(60):
        await noticed.wait()
    sight.stop()
    await running
    assert await sealing.of("T2").accounts.find(BEN, Provider.BITRISE) is None
    assert await sealing.of("T1").accounts.find(BEN, Provider.BITRISE) is not None


def access_checker(services: SimpleNamespace, **options: Any) -> AccessChecker:
    return AccessChecker(
        services.clients,
        services.storage,
        services.pollers,
        asyncio.Event(),
        registry=services.registry,
        context_for=partial(context_outside, cast(Services, services)),
        outbox_changed=services.events.outbox_changed,
        clock=services.clock,
        **options,
    )


class Visibility(RuleBasedStateMachine):
    """Two makers' subscriptions to one app in one channel, and whatever may become of them."""

    @initialize(provider=st.sampled_from((Provider.BITRISE, Provider.BUILDIO)))
    def begin(self, provider: Provider) -> None:
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.now = NOON
        self.tokens = 0
        self.system = BuildSystem(provider)
        self.provider = provider
        database = self.run(Database.open(Path(self.folder.name) / "b.db"))
        self.storage = make_repositories(database, SecretBox(["key-" * 10]))
        self.here = self.storage.of(TEAM)
        self.clients = Clients(
            [self._clients(one) for one in (Provider.BITRISE, Provider.BUILDIO)], Everybody()
        )
        blind = SimpleNamespace(outage=lambda _: "away" if self.system.away else None)
        services = SimpleNamespace(
            clock=lambda: self.now,
            clients=self.clients,
            storage=self.storage,
            registry=SPECS,
            pollers=blind,
            events=SimpleNamespace(outbox_changed=lambda: None),
        )
        self.sight = access_checker(services)
        self.makers: dict[str, Maker] = {}
        for person in (BEN, DORA):
            self.makers[person] = Maker(yes_at=self.now)
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
        system = self.system if provider is self.system.app.provider else BuildSystem(provider)
        settled = ProviderConfig(token=BOTS_TOKEN)
        known: dict[str, Any] = {
            "members": Everybody(),
            "asked": lambda: None,
            "clock": lambda: self.now,
            "verify_seconds": 0.0,
        }
        return ProviderClients(system.connection(), settled, self.storage, **known)

    def _link(self, person: str) -> None:
        self.tokens += 1
        token = f"token-{self.tokens}"
        self.system.tokens.add(token)
        self.run(
            self.here.accounts.connect(
                person, self.provider, SecretStr(token), provider_user=token, name=token, at=self.now
            )
        )
        self.clients.forget_person(TEAM, person)
        one = self.makers[person]
        if one.token is not None and not one.erased:
            one.lost = True  # they are somebody else at the provider now, of whom nothing is known
        one.token, one.refused, one.known_refused = token, False, False
        self._let(one)

    def _let(self, one: Maker) -> None:
        if one.token is not None:
            (self.system.seeing.add if one.sees else self.system.seeing.discard)(one.token)

    def _subscribe(self, person: str) -> None:
        scope = Scope(seen_as=AccessSource.OWN)
        self.run(
            self.here.subscriptions.add(
                channel=CHANNEL,
                app=self.system.app,
                terms=TERMS[person],
                by=person,
                at=self.now,
                baseline=Baseline(),
                scope=scope,
            )
        )

    def _of(self, person: str) -> Subscription:
        found = self.run(self.here.subscriptions.of_channel(CHANNEL))
        return next(one for one in found if one.terms == TERMS[person])

    # What may happen

    @rule(person=makers, sees=st.booleans())
    def their_access_is_changed(self, person: str, sees: bool) -> None:
        self.makers[person].sees = sees
        self._let(self.makers[person])

    @rule(person=makers)
    def their_token_is_revoked(self, person: str) -> None:
        one = self.makers[person]
        if one.token is not None:
            self.system.tokens.discard(one.token)
            one.refused = True

    @rule(person=makers)
    def they_unlink_or_leave(self, person: str) -> None:
        self.run(self.here.accounts.disconnect(person, at=self.now))
        self.clients.forget_person(TEAM, person)
        one = self.makers[person]
        one.token, one.lost = None, one.lost or not one.erased

    @rule(person=makers)
    def they_link_again(self, person: str) -> None:
        self._link(person)

    @rule(person=makers)
    def they_are_erased(self, person: str) -> None:
        vault, now = self.storage.vault, self.now
        self.run(self.storage.database.write(lambda db: erase_everywhere(db, TEAM, person, vault, now)))
        self.clients.forget_person(TEAM, person)
        one = self.makers[person]
        one.token, one.lost, one.erased = None, True, True

    @rule(person=makers, reason=reasons)
    def it_is_stopped(self, person: str, reason: StopReason) -> None:
        one, there = self.makers[person], self._of(person)
        if reason is StopReason.PAUSED:
            self.run(self.here.subscriptions.pause(there, self.now))
            one.stopped = one.stopped or reason
        else:  # a channel that can't be posted in stops all that it is told
            self.run(self.here.subscriptions.stop(CHANNEL, reason, self.now))
            for each in self.makers.values():
                each.stopped = each.stopped or reason

    @precondition(lambda self: not self.system.away)
    @rule(person=makers)
    def they_tell_again(self, person: str) -> None:
        one = self.makers[person]
        if one.token is None or one.refused or not one.sees:
            return  # the provider was asked, and said no
        scope = Scope(seen_as=AccessSource.OWN)
        there = self._of(person)
        self.run(self.here.subscriptions.resume(there, by=person, at=self.now, scope=scope))
        one.lost, one.stopped, one.yes_at, one.doubted_since = False, None, self.now, None
        one.erased = False

    @rule(away=st.booleans())
    def the_provider_answers_or_not(self, away: bool) -> None:
        self.system.away = away

    @rule(span=st.sampled_from((timedelta(minutes=5), 7 * HOUR, DAY + HOUR)))
    def the_bot_is_away(self, span: timedelta) -> None:
        self.now += span

    @rule()
    def an_hour_goes_by_and_it_is_asked(self) -> None:
        self.now += HOUR + timedelta(minutes=1)
        self.run(self.sight.check())
        for one in self.makers.values():
            self._judge(one)

    def _judge(self, one: Maker) -> None:
        """What the provider says, if it is asked now."""
        if one.stopped == StopReason.UNSEEN:
            return  # until somebody who sees it says so
        if one.token is None or one.erased:
            self._lose(one)
        elif self.system.away and not one.known_refused:
            return
        elif one.refused:
            one.known_refused = True
            one.doubted_since = one.doubted_since or self.now
            if self.now - one.doubted_since >= DAY:
                self._lose(one)
        elif one.sees:
            one.yes_at, one.lost, one.doubted_since = self.now, False, None
        else:
            self._lose(one)

    def _lose(self, one: Maker) -> None:
        one.lost = True
        one.stopped = one.stopped or StopReason.UNSEEN

    # What must hold

    def _shown(self, channel: str | None) -> bool:
        self.clients.at(self.provider).service_apps.forget()
        apps = VisibleApps(self.clients.at(self.provider), self.here, NOBODY, channel)
        slugs = self.run(apps.slugs())
        assert slugs is not None
        return self.system.app.slug in slugs

    @invariant()
    def people_without_an_account_are_shown_what_a_maker_is_known_to_see(self) -> None:
        if not hasattr(self, "makers"):
            return
        expected = any(one.shows(self.now) for one in self.makers.values())
        assert self._shown(CHANNEL) == expected, self.makers
        assert self._shown(None) == expected, "a workflow"
        assert not self._shown("C2")

    @invariant()
    def what_runs_is_told_as_long_as_it_is_not_lost(self) -> None:
        if not hasattr(self, "makers"):
            return
        told = {one.terms for one in self.run(self.storage.subscriptions.of_app(self.provider, "slug-x"))}
        running = {TERMS[person] for person, one in self.makers.items() if one.stopped is None}
        assert told == running


Visibility.TestCase.settings = settings(max_examples=20, stateful_step_count=40)
TestVisibility = Visibility.TestCase
