"""Workspaces with the same IDs act at random, and each reads exactly what a model of it model predicts."""

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
from domain.action import Approvers, PendingAction, PendingActionState
from domain.audit_chain import AuditEntry, Event, PersonalFields
from domain.build import App, BuildState
from domain.commands.shared_commands import TriggerBuild
from domain.message import Message, Recipient
from domain.notification import Notification, NotificationStatus
from domain.notifications.rule import BuildEvent, NotificationRule, Result
from domain.poll_state import Baseline, PollSnapshot
from domain.subscription import Scope, StopReason, Subscription
from providers.bitrise.action_base import BuildTarget
from providers.bitrise.api.requests import AbortRequest
from providers.bitrise.builds.actions import AbortBuildAction
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from storage.accounts import Account
from storage.database import WorkspaceGone
from storage.encryption import DecryptionError, SecretBox
from storage.slack_messages import NewMessage
from storage.sqlite_database import SqliteDatabase
from storage.user_profiles import NameTaken, UserProfile
from storage.workflow_steps import Outcome
from tests.support.factories import ANDROID, IOS, NOON, make_build
from tests.support.repositories import make_poll_recorder, make_repositories

T = TypeVar("T")

TEAMS = ("T1", "T2", "T3")
CHANNELS = ("C1", "D1")
PEOPLE = ("U1", "U2")
APPS = (ANDROID, IOS)
SHOP = App(provider=BUILDIO, slug="shop-id", title="shop")
TERMS = (
    NotificationRule(),
    NotificationRule(results=frozenset({Result.FAILED})),
    NotificationRule(once=True),
)

teams, channels, people = st.sampled_from(TEAMS), st.sampled_from(CHANNELS), st.sampled_from(PEOPLE)
apps, terms_of = st.sampled_from(APPS), st.sampled_from(TERMS)
some = st.integers(0, 1000)


@dataclass
class ModelSubscription:
    """A subscription in the model."""

    channel: str
    app: str | None
    terms: NotificationRule
    by: str
    stopped: str | None = None


@dataclass
class SingleWorkspaceModel:
    """The expected data of a workspace, as if it were the only one."""

    subscriptions: dict[int, ModelSubscription] = field(default_factory=dict)
    default_apps: dict[str, str] = field(default_factory=dict)
    deploy_links: dict[int, str] = field(default_factory=dict)
    names: dict[str, str | None] = field(default_factory=dict)
    tokens: dict[str, tuple[str, bool]] = field(default_factory=dict)
    triggers: dict[tuple[str, str], str] = field(default_factory=dict)
    rules: list[int] = field(default_factory=list)
    pending_actions: dict[str, PendingActionState] = field(default_factory=dict)
    actions: list[str] = field(default_factory=list)
    steps: dict[str, str | None] = field(default_factory=dict)
    pending: dict[str, list[tuple[int, str]]] = field(
        default_factory=lambda: {channel: [] for channel in CHANNELS}
    )
    delivered: dict[tuple[str, str], tuple[str, list[tuple[int, str]]]] = field(default_factory=dict)
    stale: set[str] = field(default_factory=set)
    token_requests: int = 0

    def drop(self, number: int) -> None:
        for keys in self.pending.values():
            keys[:] = [key for key in keys if key[0] != number]


class IsolationStateMachine(RuleBasedStateMachine):
    """Each rule is an action of a workspace, or an attempt to access data of another one."""

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._folder = tempfile.TemporaryDirectory(prefix="isolation-")
        self.number = 0
        self.models = {team: SingleWorkspaceModel() for team in TEAMS}
        self.subscriptions: dict[str, list[Subscription]] = {team: [] for team in TEAMS}
        self.accounts: dict[str, list[Account]] = {team: [] for team in TEAMS}
        self.pending_actions: dict[str, list[PendingAction]] = {team: [] for team in TEAMS}

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)

    @initialize()
    def open(self) -> None:
        path = Path(self._folder.name) / "buildbell.db"
        self.database = self.run(SqliteDatabase.open(path))
        self.storage = make_repositories(self.database, SecretBox(["a-key-of-the-tests-that-is-long-enough"]))
        self.recorder = make_poll_recorder(self.database)
        # Initial data of every kind, so that there is something to access.
        for team in TEAMS:
            for person in PEOPLE:
                self.connect_account(team, person)
            self.subscribe(team, "C1", ANDROID, NotificationRule(), "U1")
            for _ in range(2):
                self.request_action(team, "C1", "U1")
            self.decide(team, 0, PendingActionState.AGREED)
            self.start_step(team, "Fx1")
        self.end_build(ANDROID, BuildState.SUCCEEDED)
        for team in TEAMS:
            self.deliver(team, "C1")
        self.end_build(ANDROID, BuildState.FAILED)

    def teardown(self) -> None:
        try:
            if hasattr(self, "database"):
                for team, other in itertools.permutations(TEAMS, 2):
                    self.access_other_workspace(team, other, self.number, "C1")
                self.each_workspace_reads_its_own_data()
        finally:
            if hasattr(self, "database"):
                self.run(self.database.close())
            self._runner.close()
            self._folder.cleanup()

    def now(self) -> datetime:
        """Return a new time on each call."""
        self.number += 1
        return NOON + timedelta(minutes=self.number)

    def watched(self) -> set[str]:
        """Return the apps that any workspace watches, which is the only shared state."""
        return {
            subscription.app
            for model in self.models.values()
            for subscription in model.subscriptions.values()
            if subscription.app
        }

    def pick_one(self, candidates: dict[str, list[T]], team: str, pick: int) -> T | None:
        return candidates[team][pick % len(candidates[team])] if candidates[team] else None

    # Actions of a workspace on its own data.

    @rule(team=teams, channel=channels, app=st.sampled_from([*APPS, None]), terms=terms_of, by=people)
    def subscribe(self, team: str, channel: str, app: App | None, terms: NotificationRule, by: str) -> None:
        model, at = self.models[team], self.now()
        slug = app.slug if app is not None else None
        subscriptions = self.storage.of(team).subscriptions
        subscription = self.run(
            subscriptions.add(channel=channel, app=app, terms=terms, by=by, at=at, baseline=Baseline(at=at))
            if app is not None
            else subscriptions.add_for_every_app(channel=channel, provider=BITRISE, terms=terms, by=by, at=at)
        )
        same = [
            number
            for number, other in model.subscriptions.items()
            if (other.channel, other.app, other.terms) == (channel, slug, terms)
        ]
        assert [subscription.id] == same or (not same and not self.is_known_anywhere(subscription.id))
        model.subscriptions[subscription.id] = ModelSubscription(channel, slug, terms, by)
        self.subscriptions[team].append(subscription)

    def is_known_anywhere(self, number: int) -> bool:
        return any(number in model.subscriptions for model in self.models.values())

    @rule(team=teams, pick=some, terms=terms_of)
    def change(self, team: str, pick: int, terms: NotificationRule) -> None:
        if (subscription := self.pick_one(self.subscriptions, team, pick)) is not None:
            self.run(self.storage.of(team).subscriptions.change(subscription, terms))
            if (expected := self.models[team].subscriptions.get(subscription.id)) is not None:
                expected.terms = terms

    @rule(team=teams, pick=some)
    def pause(self, team: str, pick: int) -> None:
        if (subscription := self.pick_one(self.subscriptions, team, pick)) is not None:
            self.run(self.storage.of(team).subscriptions.pause(subscription, self.now()))
            if (expected := self.models[team].subscriptions.get(subscription.id)) is not None:
                expected.stopped = expected.stopped or StopReason.PAUSED
                self.models[team].drop(subscription.id)

    @rule(team=teams, pick=some, by=people)
    def resume(self, team: str, pick: int, by: str) -> None:
        if (subscription := self.pick_one(self.subscriptions, team, pick)) is not None:
            self.run(self.storage.of(team).subscriptions.resume(subscription, by=by, at=self.now()))
            if (expected := self.models[team].subscriptions.get(subscription.id)) is not None:
                expected.stopped, expected.by = None, by

    @rule(team=teams, pick=some)
    def unsubscribe(self, team: str, pick: int) -> None:
        if (subscription := self.pick_one(self.subscriptions, team, pick)) is not None:
            self.run(self.storage.of(team).subscriptions.remove(subscription))
            self.models[team].subscriptions.pop(subscription.id, None)
            self.models[team].drop(subscription.id)

    @rule(team=teams, channel=channels)
    def close_channel(self, team: str, channel: str) -> None:
        at, model = self.now(), self.models[team]
        stopped = self.run(self.storage.of(team).subscriptions.stop(channel, StopReason.ARCHIVED, at))
        running = [
            number
            for number, subscription in model.subscriptions.items()
            if subscription.channel == channel and subscription.stopped is None
        ]
        assert sorted(subscription.id for subscription in stopped) == sorted(running)
        for number in running:
            model.subscriptions[number].stopped = StopReason.ARCHIVED
        self.run(self.storage.outbox.drop(Recipient(team=team, channel=channel), "closed"))
        model.pending[channel].clear()
        model.stale -= {
            parcel for (posted_in, _), (parcel, _) in model.delivered.items() if posted_in == channel
        }
        for posted_in, ts in [key for key in model.delivered if key[0] == channel]:
            parcel, notifications = model.delivered[posted_in, ts]
            model.delivered[posted_in, ts] = (parcel, notifications)

    @rule(team=teams, channel=channels, app=apps)
    def set_default_app(self, team: str, channel: str, app: App) -> None:
        self.run(
            self.storage.of(team).channel_settings.set_default_app(
                channel, BITRISE, app.slug, by="U1", at=self.now()
            )
        )
        self.models[team].default_apps[channel] = app.slug

    @rule(team=teams, channel=channels, app=apps, branch=st.sampled_from(["main", "release/*"]))
    def add_deploy_link(self, team: str, channel: str, app: App, branch: str) -> None:
        links = self.storage.of(team).deploy_links
        link = self.run(links.add(channel, SHOP, app, [branch], by="U1", at=self.now()))
        others = [model.deploy_links for other, model in self.models.items() if other != team]
        assert not any(link.number in numbers for numbers in others)
        self.models[team].deploy_links[link.number] = channel

    @rule(team=teams, channel=channels, pick=some)
    def remove_deploy_link(self, team: str, channel: str, pick: int) -> None:
        known = [number for model in self.models.values() for number in model.deploy_links]
        number = known[pick % len(known)] if known else 1
        exists = self.models[team].deploy_links.get(number) == channel
        found = self.run(self.storage.of(team).deploy_links.find(channel, number))
        assert (found is not None) is exists
        assert self.run(self.storage.of(team).deploy_links.remove(channel, [number])) == exists
        if exists:
            del self.models[team].deploy_links[number]

    @rule(team=teams, person=people, name=st.sampled_from(["octo", "hubot", None]))
    def save_profile(self, team: str, person: str, name: str | None) -> None:
        model = self.models[team]
        save = self.storage.of(team).user_profiles.save(UserProfile(user=person, name=name))
        others = {user: claimed for user, claimed in model.names.items() if user != person}
        if name is not None and name in others.values():
            with pytest.raises(NameTaken) as taken:
                self.run(save)
            assert others[taken.value.by] == name
        else:
            self.run(save)
            model.names[person] = name

    @rule(team=teams, person=people, name=st.sampled_from(["octo", "hubot"]))
    def confirm_name(self, team: str, person: str, name: str) -> None:
        names = self.models[team].names
        self.run(self.storage.of(team).user_profiles.claim_name(person, name))
        for user, claimed in names.items():
            if user != person and claimed == name:
                names[user] = None
        names[person] = names.get(person) or name

    @rule(team=teams, person=people)
    def connect_account(self, team: str, person: str) -> None:
        at = self.now()
        token = f"token-{self.number}"
        account = self.run(
            self.storage.of(team).accounts.connect(
                person, BITRISE, SecretStr(token), provider_user="octo", name="octo", at=at
            )
        )
        self.accounts[team].append(account)
        self.models[team].tokens[person] = (token, True)

    @rule(team=teams, pick=some)
    def refuse_token(self, team: str, pick: int) -> None:
        if (account := self.pick_one(self.accounts, team, pick)) is None:
            return
        model, at = self.models[team], self.now()
        changed = self.run(
            self.storage.of(team).accounts.mark_token_refused(account, Message("again").encode(), at)
        )
        token, works = model.tokens.get(account.user, ("", False))
        is_current = bool(token) and self.token_of(team, account) == token
        assert changed is (is_current and works)
        if changed:
            model.tokens[account.user] = (token, False)
            model.token_requests += 1

    def token_of(self, team: str, account: Account) -> str:
        return self.storage.of(team).accounts.token(account).get_secret_value()

    @rule(team=teams, person=people)
    def disconnect_account(self, team: str, person: str) -> None:
        removed = self.run(self.storage.of(team).accounts.disconnect(person, at=self.now()))
        assert [account.user for account in removed] == [person] * (person in self.models[team].tokens)
        self.models[team].tokens.pop(person, None)

    @rule(team=teams, person=people, app=apps, branch=st.sampled_from(["main", "develop"]))
    def trigger_build(self, team: str, person: str, app: App, branch: str) -> None:
        ask = TriggerBuild(branch=branch)
        self.run(self.storage.of(team).last_triggers.store(person, app.slug, ask, at=self.now()))
        self.models[team].triggers[person, app.slug] = branch

    @rule(team=teams, person=people)
    def add_rule(self, team: str, person: str) -> None:
        number = self.run(
            self.storage.of(team).access_rules.add(
                AllowRule(who=Principals(people=(f"{person}X",))), by=person, at=self.now()
            )
        )
        assert not any(number in model.rules for model in self.models.values())
        self.models[team].rules.append(number)

    @rule(team=teams, pick=some)
    def remove_rule(self, team: str, pick: int) -> None:
        known = [number for model in self.models.values() for number in model.rules]
        number = known[pick % len(known)] if known else 1
        removed = self.run(self.storage.of(team).access_rules.remove(number))
        assert removed is (number in self.models[team].rules)
        if removed:
            self.models[team].rules.remove(number)

    @rule(team=teams, channel=channels, person=people)
    def request_action(self, team: str, channel: str, person: str) -> None:
        at = self.now()
        pending_action = self.storage.pending_actions.new(
            AbortBuildAction(app=ANDROID, build=BuildTarget(slug="b1", label="#1"), order=AbortRequest()),
            team=team,
            channel=channel,
            asked_by=person,
            deciders=Approvers(),
            asked_at=at,
            expires_at=at + timedelta(hours=1),
        )
        self.run(self.storage.pending_actions.begin(pending_action, Message("May I?"), entry("proposed")))
        self.pending_actions[team].append(pending_action)
        self.models[team].pending_actions[pending_action.id] = PendingActionState.OPEN
        self.models[team].actions.append("proposed")

    @rule(
        team=teams, pick=some, state=st.sampled_from([PendingActionState.AGREED, PendingActionState.DECLINED])
    )
    def decide(self, team: str, pick: int, state: PendingActionState) -> None:
        if (pending_action := self.pick_one(self.pending_actions, team, pick)) is None:
            return
        model = self.models[team]
        decided = self.run(
            self.storage.pending_actions.conclude(
                pending_action, state, Message("Decided"), entry("decided"), by="U2", at=self.now()
            )
        )
        assert decided is (model.pending_actions.get(pending_action.id) is PendingActionState.OPEN)
        if decided:
            model.pending_actions[pending_action.id] = state
            model.actions.append("decided")

    @rule(team=teams, act=st.sampled_from(["abort", "trigger"]))
    def append_audit_entry(self, team: str, act: str) -> None:
        self.run(self.storage.of(team).audit_log.append(entry(act), self.now()))
        self.models[team].actions.append(act)

    @rule(team=teams, execution=st.sampled_from(["Fx1", "Fx2"]))
    def start_step(self, team: str, execution: str) -> None:
        steps = self.models[team].steps
        new = self.run(self.storage.workflow_steps.begin(team, execution, "wait", self.now()))
        assert new is (execution not in steps)
        steps.setdefault(execution, None)

    @rule(team=teams, execution=st.sampled_from(["Fx1", "Fx2"]), over=st.booleans())
    def end_step(self, team: str, execution: str, over: bool) -> None:
        steps = self.models[team].steps
        if over:
            self.run(self.storage.workflow_steps.mark_reported(team, execution))
            if execution in steps:
                steps[execution] = "ended"
        else:
            self.run(self.storage.workflow_steps.conclude(team, execution, Outcome(error=team)))
            if steps.get(execution, "") is None:
                steps[execution] = "unreported"

    @rule(app=apps, state=st.sampled_from([BuildState.SUCCEEDED, BuildState.FAILED]))
    def end_build(self, app: App, state: BuildState) -> None:
        at = self.now()
        build = make_build(self.number, state, app=app)
        self.run(self.recorder.record(PollSnapshot(token="t", provider=BITRISE, builds=(build,)), at=at))
        if app.slug not in self.watched():
            return
        for model in self.models.values():
            for number, subscription in sorted(model.subscriptions.items()):
                wants = not subscription.terms.results or state is BuildState.FAILED
                if subscription.stopped is None and subscription.app in (None, app.slug) and wants:
                    model.pending[subscription.channel].append((number, build.slug))

    @rule(team=teams, channel=channels)
    def deliver(self, team: str, channel: str) -> None:
        model, to = self.models[team], Recipient(team=team, channel=channel)
        due = self.run(self.storage.outbox.due(to, 100, self.now()))
        if not due:
            return
        parcel = f"parcel-{self.number}"
        # The ts of messages are the same in all workspaces.
        ts = f"{1 + sum(1 for posted_in, _ in model.delivered if posted_in == channel)}.0"
        assert self.run(self.storage.outbox.begin(due, make_message(parcel, to), self.now()))
        assert len(self.run(self.storage.outbox.mark_delivered(parcel, ts))) == len(due)
        model.delivered[channel, ts] = (parcel, list(model.pending[channel]))
        model.pending[channel].clear()
        for number in {notification.subscription_id for notification in due}:
            if (expected := model.subscriptions.get(number)) is not None and expected.terms.once:
                del model.subscriptions[number]

    @rule(team=teams, channel=channels, pick=some)
    def refresh(self, team: str, channel: str, pick: int) -> None:
        model, to = self.models[team], Recipient(team=team, channel=channel)
        ts = f"{1 + pick % 3}.0"
        message = self.run(self.storage.slack_messages.find_by_ts(to, ts))
        if message is not None:
            self.run(self.storage.slack_messages.refresh(message.parcel))
            model.stale.add(message.parcel)

    @rule(team=teams)
    def uninstall(self, team: str) -> None:
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
        self.models[team] = SingleWorkspaceModel()

    # Attempts to access data of another workspace, without effect.

    @rule(team=teams, other=teams, pick=some, channel=channels)
    def access_other_workspace(self, team: str, other: str, pick: int, channel: str) -> None:
        if team == other:
            return
        if (subscription := self.pick_one(self.subscriptions, other, pick)) is not None:
            self.access_subscription(team, subscription)
        if (account := self.pick_one(self.accounts, other, pick)) is not None:
            self.access_account(team, account)
        if (pending_action := self.pick_one(self.pending_actions, other, pick)) is not None:
            self.access_pending_action(team, pending_action)
        self.deliver_other_workspaces_notifications(team, other, channel)

    def access_subscription(self, team: str, subscription: Subscription) -> None:
        mine, at = self.storage.of(team).subscriptions, self.now()
        assert self.run(mine.find(subscription.id)) is None
        self.run(mine.change(subscription, NotificationRule(started=True)))
        self.run(mine.pause(subscription, at))
        self.run(mine.resume(subscription, by="U2", at=at))
        assert self.run(mine.stop_without_access(subscription, at, account=None)) is False
        self.run(mine.remove(subscription))
        stolen = subscription.model_copy(update={"team": team})
        assert self.run(mine.stop_without_access(stolen, at, account=None)) is False
        self.run(self.storage.subscriptions.mark_checked(stolen, at, Scope(apps=frozenset())))
        assert self.run(self.storage.subscriptions.mark_confirmed(stolen, at, Scope(), account=at)) is False

    def access_account(self, team: str, account: Account) -> None:
        mine = self.storage.of(team).accounts
        with pytest.raises(DecryptionError):
            mine.token(account)
        assert self.run(mine.mark_token_refused(account, Message("again").encode(), self.now())) is False

    def access_pending_action(self, team: str, pending_action: PendingAction) -> None:
        pending_actions = self.storage.pending_actions
        assert self.run(pending_actions.find_open(team, pending_action.id)) is None
        mine = pending_action.model_copy(update={"team": team})
        message, at = Message("Mine"), self.now()
        conclude = pending_actions.conclude(
            mine, PendingActionState.AGREED, message, entry("stolen"), by="U1", at=at
        )
        assert self.run(conclude) is False
        self.run(pending_actions.finish(mine))
        self.run(pending_actions.change_message(mine, message))

    def deliver_other_workspaces_notifications(self, team: str, other: str, channel: str) -> None:
        others = self.run(self.storage.outbox.due(Recipient(team=other, channel=channel), 100, self.now()))
        if not others:
            return
        mine = Recipient(team=team, channel=channel)
        parcel = f"stolen-{self.number}"
        assert not self.run(self.storage.outbox.begin(others, make_message(parcel, mine), self.now()))
        message = self.models[team].delivered.get((channel, "1.0"))
        if message is not None:
            self.run(self.storage.outbox.join(others, message[0], self.now()))
            self.models[team].stale.add(message[0])
        stolen = [notification.model_copy(update={"team": team}) for notification in others]
        self.run(self.storage.outbox.defer(stolen, NOON + timedelta(days=900)))

    # Each workspace reads what its own model predicts.

    @invariant()
    def each_workspace_reads_its_own_data(self) -> None:
        if hasattr(self, "database"):
            for team in TEAMS:
                self.run(self.compare(team))

    async def compare(self, team: str) -> None:
        model, mine = self.models[team], self.storage.of(team)
        for channel in CHANNELS:
            recipient = Recipient(team=team, channel=channel)
            found = await mine.subscriptions.of_channel(channel)
            assert all(subscription.scope.apps is None for subscription in found)
            assert {
                subscription.id: ModelSubscription(
                    channel,
                    subscription.app.slug if subscription.app else None,
                    subscription.terms,
                    subscription.created_by,
                    subscription.stopped,
                )
                for subscription in found
            } == {
                number: expected
                for number, expected in model.subscriptions.items()
                if expected.channel == channel
            }
            assert await mine.channel_settings.default_app(channel, BITRISE) == model.default_apps.get(
                channel
            )
            linked = {number for number, linked_in in model.deploy_links.items() if linked_in == channel}
            assert {link.number for link in await mine.deploy_links.of_channel(channel)} == linked
            due = await self.storage.outbox.due(recipient, 1000, NOON + timedelta(days=800))
            assert {link.number for notification in due for link in notification.ties} <= linked
            assert [key_of(notification) for notification in due] == model.pending[channel]
            await self.compare_delivered(recipient, model)
        assert (await mine.user_profiles.known()).names.team == team
        for person in PEOPLE:
            assert (await mine.user_profiles.find(person)).name == model.names.get(person)
            account = await mine.accounts.find(person, BITRISE)
            stored = (mine.accounts.token(account).get_secret_value(), account.works) if account else None
            assert stored == model.tokens.get(person)
            for app in APPS:
                last = await mine.last_triggers.last(person, app.slug)
                assert (last.branch if last else None) == model.triggers.get((person, app.slug))
            messages = await self.storage.slack_messages.unfinished(Recipient(team=team, channel=person))
            assert len(messages) <= model.token_requests
        assert [stored.number for stored in await mine.access_rules.all()] == model.rules
        for identity, state in model.pending_actions.items():
            assert await self.state_of(team, identity) == state
        records = await mine.audit_log.latest(1000)
        assert [json.loads(record.body)["act"] for record in reversed(records)] == model.actions
        assert (await mine.audit_log.verify()).entries == len(model.actions)
        unreported = {
            execution
            for step_team, execution, _ in await self.storage.workflow_steps.unreported()
            if step_team == team
        }
        assert unreported == {execution for execution, state in model.steps.items() if state == "unreported"}

    async def state_of(self, team: str, identity: str) -> str:
        query = "SELECT state FROM proposals WHERE team_id = ? AND id = ?"
        [state] = await self.database.read(lambda db: db.execute(query, [team, identity]).fetchone())
        return str(state)

    async def compare_delivered(self, recipient: Recipient, model: SingleWorkspaceModel) -> None:
        for (channel, ts), (parcel, notifications) in model.delivered.items():
            if channel != recipient.channel:
                continue
            message = await self.storage.slack_messages.find_by_ts(recipient, ts)
            assert message is not None
            assert (message.parcel, message.team, bool(message.stale)) == (
                parcel,
                recipient.team,
                parcel in model.stale,
            )
            assert [
                key_of(notification) for notification in await self.storage.outbox.in_message(parcel)
            ] == notifications
            for number, slug in notifications:
                known = await self.storage.outbox.of_build(recipient, BITRISE, slug)
                assert (number, BuildEvent.ENDED, NotificationStatus.DELIVERED) in known


def key_of(notification: Notification) -> tuple[int, str]:
    return notification.subscription_id, notification.build.slug


def entry(act: str) -> AuditEntry:
    return AuditEntry(event=Event.DONE, act=act, personal=PersonalFields(person="U1"))


def make_message(parcel: str, to: Recipient) -> NewMessage:
    return NewMessage(parcel=parcel, team=to.team, channel=to.channel, subject=f"build {parcel}")


TestWorkspaces = IsolationStateMachine.TestCase
TestWorkspaces.settings = settings(max_examples=8, stateful_step_count=50)
