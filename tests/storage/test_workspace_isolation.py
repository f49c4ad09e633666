"""Workspaces with the very same ids do whatever they like; each reads what a model of it alone says, and no more."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import SecretStr

from domain.access_policy import AllowRule, Principals
from domain.audit_log import AuditEntry, Event, PersonalFields
from domain.build import App, BuildState
from domain.commands.trigger_build import TriggerBuild
from domain.message import Message
from domain.notification import Notification, NotificationStatus
from domain.notifications.rule import BuildEvent, NotificationRule, Result
from domain.pending_action import Approvers, PendingAction, PendingActionState
from domain.poll_state import Baseline, PollSnapshot
from domain.provider import Provider
from domain.recipient import Recipient
from domain.subscription import Scope, StopReason, Subscription
from providers.bitrise.actions import AbortBuildAction, BuildTarget
from providers.bitrise.api.requests import AbortRequest
from storage.accounts import Account
from storage.database import Database, WorkspaceGone
from storage.encryption import DecryptionError, SecretBox
from storage.slack_messages import NewMessage
from storage.user_profiles import NameTaken, UserProfile
from storage.workflow_steps import Outcome
from tests.support.factories import ANDROID, IOS, NOON, make_build
from tests.support.repositories import make_poll_recorder, make_repositories

T = TypeVar("T")

TEAMS = ("T1", "T2", "T3")
CHANNELS = ("C1", "D1")
PEOPLE = ("U1", "U2")
APPS = (ANDROID, IOS)
SHOP = App(provider=Provider.BUILDIO, slug="shop-id", title="shop")
TERMS = (
    NotificationRule(),
    NotificationRule(results=frozenset({Result.FAILED})),
    NotificationRule(once=True),
)
BITRISE = Provider.BITRISE

teams, channels, people = st.sampled_from(TEAMS), st.sampled_from(CHANNELS), st.sampled_from(PEOPLE)
apps, terms_of = st.sampled_from(APPS), st.sampled_from(TERMS)
some = st.integers(0, 1000)


@dataclass
class ModelSubscription:
    """A subscription, as the model has it."""

    channel: str
    app: str | None
    terms: NotificationRule
    by: str
    stopped: str | None = None


@dataclass
class SingleWorkspaceModel:
    """What a workspace must read, were it the only one."""

    wanted: dict[int, ModelSubscription] = field(default_factory=dict)
    default_apps: dict[str, str] = field(default_factory=dict)
    ties: dict[int, str] = field(default_factory=dict)
    names: dict[str, str | None] = field(default_factory=dict)
    tokens: dict[str, tuple[str, bool]] = field(default_factory=dict)
    starts: dict[tuple[str, str], str] = field(default_factory=dict)
    rules: list[int] = field(default_factory=list)
    proposals: dict[str, PendingActionState] = field(default_factory=dict)
    acts: list[str] = field(default_factory=list)
    steps: dict[str, str | None] = field(default_factory=dict)
    owed: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: {one: [] for one in CHANNELS})
    told: dict[tuple[str, str], tuple[str, list[tuple[int, str]]]] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    asked_anew: int = 0

    def drop(self, number: int) -> None:
        for waiting in self.owed.values():
            waiting[:] = [one for one in waiting if one[0] != number]


class IsolationStateMachine(RuleBasedStateMachine):
    """Each rule is something that one of them does, or that one of them tries with what is another's."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._folder = tempfile.TemporaryDirectory(prefix="apart-")
        self.number = 0
        self.alone = {team: SingleWorkspaceModel() for team in TEAMS}
        self.subscriptions: dict[str, list[Subscription]] = {team: [] for team in TEAMS}
        self.accounts: dict[str, list[Account]] = {team: [] for team in TEAMS}
        self.proposals: dict[str, list[PendingAction]] = {team: [] for team in TEAMS}

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    @initialize()
    def open(self) -> None:
        path = Path(self._folder.name) / "buildbell.db"
        self.database = self.run(Database.open(path))
        self.storage = make_repositories(self.database, SecretBox(["a-key-of-the-tests-that-is-long-enough"]))
        self.recorder = make_poll_recorder(self.database)
        # Something of everything to begin with, so that there is something to reach for.
        for team in TEAMS:
            for person in PEOPLE:
                self.link(team, person)
            self.subscribe(team, "C1", ANDROID, NotificationRule(), "U1")
            for _ in range(2):
                self.propose(team, "C1", "U1")
            self.decide(team, 0, PendingActionState.AGREED)
            self.step(team, "Fx1")
        self.a_build_ends(ANDROID, BuildState.SUCCEEDED)
        for team in TEAMS:
            self.deliver(team, "C1")
        self.a_build_ends(ANDROID, BuildState.FAILED)

    def teardown(self) -> None:
        try:
            if hasattr(self, "database"):
                for team, other in itertools.permutations(TEAMS, 2):
                    self.reach(team, other, self.number, "C1")
                self.each_reads_its_own()
        finally:
            if hasattr(self, "database"):
                self.run(self.database.close())
            self._runner.close()
            self._folder.cleanup()

    def now(self) -> datetime:
        """A new moment each time."""
        self.number += 1
        return NOON + timedelta(minutes=self.number)

    def watched(self) -> set[str]:
        """The one thing that they share: which apps are looked at for anybody."""
        return {one.app for alone in self.alone.values() for one in alone.wanted.values() if one.app}

    def one_of(self, made: dict[str, list[T]], team: str, pick: int) -> T | None:
        return made[team][pick % len(made[team])] if made[team] else None

    # What each does with what is its own.

    @rule(team=teams, channel=channels, app=st.sampled_from([*APPS, None]), terms=terms_of, by=people)
    def subscribe(self, team: str, channel: str, app: App | None, terms: NotificationRule, by: str) -> None:
        alone, at = self.alone[team], self.now()
        slug = app.slug if app is not None else None
        subscriptions = self.storage.of(team).subscriptions
        subscription = self.run(
            subscriptions.add(channel=channel, app=app, terms=terms, by=by, at=at, baseline=Baseline(at=at))
            if app is not None
            else subscriptions.add_for_every_app(
                channel=channel, provider=Provider.BITRISE, terms=terms, by=by, at=at
            )
        )
        same = [
            number
            for number, one in alone.wanted.items()
            if (one.channel, one.app, one.terms) == (channel, slug, terms)
        ]
        assert [subscription.id] == same or (not same and not self.is_anybodys(subscription.id))
        alone.wanted[subscription.id] = ModelSubscription(channel, slug, terms, by)
        self.subscriptions[team].append(subscription)

    def is_anybodys(self, number: int) -> bool:
        return any(number in alone.wanted for alone in self.alone.values())

    @rule(team=teams, pick=some, terms=terms_of)
    def change(self, team: str, pick: int, terms: NotificationRule) -> None:
        if (one := self.one_of(self.subscriptions, team, pick)) is not None:
            self.run(self.storage.of(team).subscriptions.change(one, terms))
            if (wanted := self.alone[team].wanted.get(one.id)) is not None:
                wanted.terms = terms

    @rule(team=teams, pick=some)
    def pause(self, team: str, pick: int) -> None:
        if (one := self.one_of(self.subscriptions, team, pick)) is not None:
            self.run(self.storage.of(team).subscriptions.pause(one, self.now()))
            if (wanted := self.alone[team].wanted.get(one.id)) is not None:
                wanted.stopped = wanted.stopped or StopReason.PAUSED
                self.alone[team].drop(one.id)

    @rule(team=teams, pick=some, by=people)
    def resume(self, team: str, pick: int, by: str) -> None:
        if (one := self.one_of(self.subscriptions, team, pick)) is not None:
            self.run(self.storage.of(team).subscriptions.resume(one, by=by, at=self.now()))
            if (wanted := self.alone[team].wanted.get(one.id)) is not None:
                wanted.stopped, wanted.by = None, by

    @rule(team=teams, pick=some)
    def unsubscribe(self, team: str, pick: int) -> None:
        if (one := self.one_of(self.subscriptions, team, pick)) is not None:
            self.run(self.storage.of(team).subscriptions.remove(one))
            self.alone[team].wanted.pop(one.id, None)
            self.alone[team].drop(one.id)

    @rule(team=teams, channel=channels)
    def close_channel(self, team: str, channel: str) -> None:
        at, alone = self.now(), self.alone[team]
        stopped = self.run(self.storage.of(team).subscriptions.stop(channel, StopReason.ARCHIVED, at))
        running = [n for n, one in alone.wanted.items() if one.channel == channel and one.stopped is None]
        assert sorted(one.id for one in stopped) == sorted(running)
        for number in running:
            alone.wanted[number].stopped = StopReason.ARCHIVED
        self.run(self.storage.outbox.drop(Recipient(team=team, channel=channel), "closed"))
        alone.owed[channel].clear()
        alone.stale -= {parcel for (place, _), (parcel, _) in alone.told.items() if place == channel}
        for place, ts in [one for one in alone.told if one[0] == channel]:
            parcel, carried = alone.told[place, ts]
            alone.told[place, ts] = (parcel, carried)

    @rule(team=teams, channel=channels, app=apps)
    def use(self, team: str, channel: str, app: App) -> None:
        self.run(
            self.storage.of(team).channel_settings.set_default_app(
                channel, BITRISE, app.slug, by="U1", at=self.now()
            )
        )
        self.alone[team].default_apps[channel] = app.slug

    @rule(team=teams, channel=channels, app=apps, branch=st.sampled_from(["main", "release/*"]))
    def tie(self, team: str, channel: str, app: App, branch: str) -> None:
        ties = self.storage.of(team).deploy_links
        tie = self.run(ties.add(channel, SHOP, app, [branch], by="U1", at=self.now()))
        others = [alone.ties for other, alone in self.alone.items() if other != team]
        assert not any(tie.number in theirs for theirs in others)
        self.alone[team].ties[tie.number] = channel

    @rule(team=teams, channel=channels, pick=some)
    def untie(self, team: str, channel: str, pick: int) -> None:
        known = [number for alone in self.alone.values() for number in alone.ties]
        number = known[pick % len(known)] if known else 1
        here = self.alone[team].ties.get(number) == channel
        found = self.run(self.storage.of(team).deploy_links.find(channel, number))
        assert (found is not None) is here
        assert self.run(self.storage.of(team).deploy_links.remove(channel, [number])) == here
        if here:
            del self.alone[team].ties[number]

    @rule(team=teams, person=people, name=st.sampled_from(["octo", "hubot", None]))
    def claim(self, team: str, person: str, name: str | None) -> None:
        alone = self.alone[team]
        saving = self.storage.of(team).user_profiles.save(UserProfile(user=person, name=name))
        others = {user: theirs for user, theirs in alone.names.items() if user != person}
        if name is not None and name in others.values():
            with pytest.raises(NameTaken) as taken:
                self.run(saving)
            assert others[taken.value.by] == name
        else:
            self.run(saving)
            alone.names[person] = name

    @rule(team=teams, person=people, name=st.sampled_from(["octo", "hubot"]))
    def is_called(self, team: str, person: str, name: str) -> None:
        names = self.alone[team].names
        self.run(self.storage.of(team).user_profiles.claim_name(person, name))
        for user, theirs in names.items():
            if user != person and theirs == name:
                names[user] = None
        names[person] = names.get(person) or name

    @rule(team=teams, person=people)
    def link(self, team: str, person: str) -> None:
        at = self.now()
        token = f"token-{self.number}"
        account = self.run(
            self.storage.of(team).accounts.connect(
                person, BITRISE, SecretStr(token), provider_user="octo", name="octo", at=at
            )
        )
        self.accounts[team].append(account)
        self.alone[team].tokens[person] = (token, True)

    @rule(team=teams, pick=some)
    def token_is_refused(self, team: str, pick: int) -> None:
        if (account := self.one_of(self.accounts, team, pick)) is None:
            return
        alone, at = self.alone[team], self.now()
        news = self.run(
            self.storage.of(team).accounts.mark_token_refused(account, Message("again").encode(), at)
        )
        token, works = alone.tokens.get(account.user, ("", False))
        is_this_one = bool(token) and self.token_of(team, account) == token
        assert news is (is_this_one and works)
        if news:
            alone.tokens[account.user] = (token, False)
            alone.asked_anew += 1

    def token_of(self, team: str, account: Account) -> str:
        return self.storage.of(team).accounts.token(account).get_secret_value()

    @rule(team=teams, person=people)
    def unlink(self, team: str, person: str) -> None:
        there = self.run(self.storage.of(team).accounts.disconnect(person, at=self.now()))
        assert [one.user for one in there] == [person] * (person in self.alone[team].tokens)
        self.alone[team].tokens.pop(person, None)

    @rule(team=teams, person=people, app=apps, branch=st.sampled_from(["main", "develop"]))
    def start(self, team: str, person: str, app: App, branch: str) -> None:
        ask = TriggerBuild(branch=branch)
        self.run(self.storage.of(team).last_triggers.store(person, app.slug, ask, at=self.now()))
        self.alone[team].starts[person, app.slug] = branch

    @rule(team=teams, person=people)
    def add_rule(self, team: str, person: str) -> None:
        number = self.run(
            self.storage.of(team).access_rules.add(
                AllowRule(who=Principals(people=(f"{person}X",))), by=person, at=self.now()
            )
        )
        assert not any(number in alone.rules for alone in self.alone.values())
        self.alone[team].rules.append(number)

    @rule(team=teams, pick=some)
    def remove_rule(self, team: str, pick: int) -> None:
        known = [number for alone in self.alone.values() for number in alone.rules]
        number = known[pick % len(known)] if known else 1
        removed = self.run(self.storage.of(team).access_rules.remove(number))
        assert removed is (number in self.alone[team].rules)
        if removed:
            self.alone[team].rules.remove(number)

    @rule(team=teams, channel=channels, person=people)
    def propose(self, team: str, channel: str, person: str) -> None:
        at = self.now()
        proposal = self.storage.pending_actions.new(
            AbortBuildAction(app=ANDROID, build=BuildTarget(slug="b1", label="#1"), order=AbortRequest()),
            team=team,
            channel=channel,
            asked_by=person,
            deciders=Approvers(),
            asked_at=at,
            expires_at=at + timedelta(hours=1),
        )
        self.run(self.storage.pending_actions.begin(proposal, Message("May I?"), entry("proposed")))
        self.proposals[team].append(proposal)
        self.alone[team].proposals[proposal.id] = PendingActionState.OPEN
        self.alone[team].acts.append("proposed")

    @rule(
        team=teams, pick=some, state=st.sampled_from([PendingActionState.AGREED, PendingActionState.DECLINED])
    )
    def decide(self, team: str, pick: int, state: PendingActionState) -> None:
        if (proposal := self.one_of(self.proposals, team, pick)) is None:
            return
        alone = self.alone[team]
        decided = self.run(
            self.storage.pending_actions.conclude(
                proposal, state, Message("Decided"), entry("decided"), by="U2", at=self.now()
            )
        )
        assert decided is (alone.proposals.get(proposal.id) is PendingActionState.OPEN)
        if decided:
            alone.proposals[proposal.id] = state
            alone.acts.append("decided")

    @rule(team=teams, act=st.sampled_from(["abort", "trigger"]))
    def note(self, team: str, act: str) -> None:
        self.run(self.storage.of(team).audit_log.append(entry(act), self.now()))
        self.alone[team].acts.append(act)

    @rule(team=teams, execution=st.sampled_from(["Fx1", "Fx2"]))
    def step(self, team: str, execution: str) -> None:
        steps = self.alone[team].steps
        new = self.run(self.storage.workflow_steps.begin(team, execution, "wait", self.now()))
        assert new is (execution not in steps)
        steps.setdefault(execution, None)

    @rule(team=teams, execution=st.sampled_from(["Fx1", "Fx2"]), over=st.booleans())
    def end_step(self, team: str, execution: str, over: bool) -> None:
        steps = self.alone[team].steps
        if over:
            self.run(self.storage.workflow_steps.mark_reported(team, execution))
            if execution in steps:
                steps[execution] = "ended"
        else:
            self.run(self.storage.workflow_steps.conclude(team, execution, Outcome(error=team)))
            if steps.get(execution, "") is None:
                steps[execution] = "owed"

    @rule(app=apps, state=st.sampled_from([BuildState.SUCCEEDED, BuildState.FAILED]))
    def a_build_ends(self, app: App, state: BuildState) -> None:
        at = self.now()
        build = make_build(self.number, state, app=app)
        self.run(
            self.recorder.record(PollSnapshot(token="t", provider=Provider.BITRISE, builds=(build,)), at=at)
        )
        if app.slug not in self.watched():
            return
        for alone in self.alone.values():
            for number, one in sorted(alone.wanted.items()):
                wants = not one.terms.results or state is BuildState.FAILED
                if one.stopped is None and one.app in (None, app.slug) and wants:
                    alone.owed[one.channel].append((number, build.slug))

    @rule(team=teams, channel=channels)
    def deliver(self, team: str, channel: str) -> None:
        alone, to = self.alone[team], Recipient(team=team, channel=channel)
        due = self.run(self.storage.outbox.due(to, 100, self.now()))
        if not due:
            return
        parcel = f"parcel-{self.number}"
        # Slack's names for messages are the same everywhere.
        ts = f"{1 + sum(1 for place, _ in alone.told if place == channel)}.0"
        assert self.run(self.storage.outbox.begin(due, a_message(parcel, to), self.now()))
        assert self.run(self.storage.outbox.mark_delivered(parcel, ts)) == len(due)
        alone.told[channel, ts] = (parcel, list(alone.owed[channel]))
        alone.owed[channel].clear()
        for number in {one.subscription_id for one in due}:
            if (wanted := alone.wanted.get(number)) is not None and wanted.terms.once:
                del alone.wanted[number]

    @rule(team=teams, channel=channels, pick=some)
    def refresh(self, team: str, channel: str, pick: int) -> None:
        alone, to = self.alone[team], Recipient(team=team, channel=channel)
        ts = f"{1 + pick % 3}.0"
        there = self.run(self.storage.slack_messages.find_by_ts(to, ts))
        if there is not None:
            self.run(self.storage.slack_messages.refresh(there.parcel))
            alone.stale.add(there.parcel)

    @rule(team=teams)
    def leave(self, team: str) -> None:
        self.run(self.storage.wipe(team))
        with pytest.raises(WorkspaceGone):
            self.run(
                self.storage.of(team).channel_settings.set_default_app(
                    "C1", BITRISE, "a", by="U1", at=self.now()
                )
            )
        self.run(
            self.storage.slack_messages.enqueue(
                "late", Recipient(team=team, channel="C1"), "notice", "{}", self.now()
            )
        )
        self.database.mark_present(team)
        self.alone[team] = SingleWorkspaceModel()

    # What each tries with what is another's: nothing comes of it.

    @rule(team=teams, other=teams, pick=some, channel=channels)
    def reach(self, team: str, other: str, pick: int, channel: str) -> None:
        if team == other:
            return
        if (one := self.one_of(self.subscriptions, other, pick)) is not None:
            self.reach_for_a_subscription(team, one)
        if (account := self.one_of(self.accounts, other, pick)) is not None:
            self.reach_for_an_account(team, account)
        if (proposal := self.one_of(self.proposals, other, pick)) is not None:
            self.reach_for_a_proposal(team, proposal)
        self.carry_what_is_anothers(team, other, channel)

    def reach_for_a_subscription(self, team: str, one: Subscription) -> None:
        mine, at = self.storage.of(team).subscriptions, self.now()
        assert self.run(mine.find(one.id)) is None
        self.run(mine.change(one, NotificationRule(started=True)))
        self.run(mine.pause(one, at))
        self.run(mine.resume(one, by="U2", at=at))
        assert self.run(mine.stop_without_access(one, at, account=None)) is False
        self.run(mine.remove(one))
        stolen = one.model_copy(update={"team": team})
        assert self.run(mine.stop_without_access(stolen, at, account=None)) is False
        self.run(self.storage.subscriptions.mark_checked(stolen, at, Scope(apps=frozenset())))
        assert self.run(self.storage.subscriptions.mark_confirmed(stolen, at, Scope(), account=at)) is False

    def reach_for_an_account(self, team: str, account: Account) -> None:
        mine = self.storage.of(team).accounts
        with pytest.raises(DecryptionError):
            mine.token(account)
        assert self.run(mine.mark_token_refused(account, Message("again").encode(), self.now())) is False

    def reach_for_a_proposal(self, team: str, proposal: PendingAction) -> None:
        proposals = self.storage.pending_actions
        assert self.run(proposals.find_open(team, proposal.id)) is None
        mine = proposal.model_copy(update={"team": team})
        said, at = Message("Mine"), self.now()
        concluding = proposals.conclude(
            mine, PendingActionState.AGREED, said, entry("stolen"), by="U1", at=at
        )
        assert self.run(concluding) is False
        self.run(proposals.finish(mine))
        self.run(proposals.change_message(mine, said))

    def carry_what_is_anothers(self, team: str, other: str, channel: str) -> None:
        theirs = self.run(self.storage.outbox.due(Recipient(team=other, channel=channel), 100, self.now()))
        if not theirs:
            return
        mine = Recipient(team=team, channel=channel)
        parcel = f"stolen-{self.number}"
        assert not self.run(self.storage.outbox.begin(theirs, a_message(parcel, mine), self.now()))
        there = self.alone[team].told.get((channel, "1.0"))
        if there is not None:
            self.run(self.storage.outbox.join(theirs, there[0], self.now()))
            self.alone[team].stale.add(there[0])
        stolen = [one.model_copy(update={"team": team}) for one in theirs]
        self.run(self.storage.outbox.defer(stolen, NOON + timedelta(days=900)))

    # What each reads is what its own model says.

    @invariant()
    def each_reads_its_own(self) -> None:
        if hasattr(self, "database"):
            for team in TEAMS:
                self.run(self.compare(team))

    async def compare(self, team: str) -> None:
        alone, mine = self.alone[team], self.storage.of(team)
        for channel in CHANNELS:
            here = Recipient(team=team, channel=channel)
            found = await mine.subscriptions.of_channel(channel)
            assert all(one.scope.apps is None for one in found)
            assert {
                one.id: ModelSubscription(
                    channel, one.app.slug if one.app else None, one.terms, one.created_by, one.stopped
                )
                for one in found
            } == {number: one for number, one in alone.wanted.items() if one.channel == channel}
            assert await mine.channel_settings.default_app(channel, BITRISE) == alone.default_apps.get(
                channel
            )
            tied = {number for number, place in alone.ties.items() if place == channel}
            assert {one.number for one in await mine.deploy_links.of_channel(channel)} == tied
            due = await self.storage.outbox.due(here, 1000, NOON + timedelta(days=800))
            assert {tie.number for one in due for tie in one.ties} <= tied
            assert [told(one) for one in due] == alone.owed[channel]
            await self.compare_told(here, alone)
        assert (await mine.user_profiles.known()).names.team == team
        for person in PEOPLE:
            assert (await mine.user_profiles.find(person)).name == alone.names.get(person)
            account = await mine.accounts.find(person, BITRISE)
            opened = (mine.accounts.token(account).get_secret_value(), account.works) if account else None
            assert opened == alone.tokens.get(person)
            for app in APPS:
                last = await mine.last_triggers.last(person, app.slug)
                assert (last.branch if last else None) == alone.starts.get((person, app.slug))
            asked = await self.storage.slack_messages.unfinished(Recipient(team=team, channel=person))
            assert len(asked) <= alone.asked_anew
        assert [one.number for one in await mine.access_rules.all()] == alone.rules
        for identity, state in alone.proposals.items():
            assert await self.state_of(team, identity) == state
        written = await mine.audit_log.latest(1000)
        assert [json.loads(one.body)["act"] for one in reversed(written)] == alone.acts
        assert (await mine.audit_log.verify()).entries == len(alone.acts)
        owed = {
            execution
            for place, execution, _ in await self.storage.workflow_steps.unreported()
            if place == team
        }
        assert owed == {execution for execution, state in alone.steps.items() if state == "owed"}

    async def state_of(self, team: str, proposal: str) -> str:
        query = "SELECT state FROM proposals WHERE team_id = ? AND id = ?"
        [state] = await self.database.read(lambda db: db.execute(query, [team, proposal]).fetchone())
        return str(state)

    async def compare_told(self, here: Recipient, alone: SingleWorkspaceModel) -> None:
        for (channel, ts), (parcel, carried) in alone.told.items():
            if channel != here.channel:
                continue
            there = await self.storage.slack_messages.find_by_ts(here, ts)
            assert there is not None
            assert (there.parcel, there.team, bool(there.stale)) == (parcel, here.team, parcel in alone.stale)
            assert [told(one) for one in await self.storage.outbox.in_message(parcel)] == carried
            for number, slug in carried:
                known = await self.storage.outbox.of_build(here, BITRISE, slug)
                assert (number, BuildEvent.ENDED, NotificationStatus.DELIVERED) in known


def told(one: Notification) -> tuple[int, str]:
    return one.subscription_id, one.build.slug


def entry(act: str) -> AuditEntry:
    return AuditEntry(event=Event.DONE, act=act, personal=PersonalFields(person="U1"))


def a_message(parcel: str, to: Recipient) -> NewMessage:
    return NewMessage(parcel=parcel, team=to.team, channel=to.channel, subject=f"build {parcel}")


TestWorkspaces = IsolationStateMachine.TestCase
TestWorkspaces.settings = settings(max_examples=8, stateful_step_count=50)
