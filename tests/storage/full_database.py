"""A database with something in every table, much of it about Anna."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import sqlite_utils
from pydantic import SecretStr
from slack_sdk.oauth.installation_store.models.installation import Installation

from domain.access_policy import Allow, Who
from domain.audit_log import Entry, Event, Personal
from domain.build import App, PipelineRef, State
from domain.build_filter import BuildFilter, Patterns
from domain.build_request import BuildRequest
from domain.commands.shared_commands import TriggerBuild
from domain.message import Message
from domain.notifications.changes import compare
from domain.notifications.matching import match
from domain.notifications.rule import Terms
from domain.pipeline import Pipeline
from domain.poll_state import Baseline, Sighting
from domain.provider import Provider
from messages.kit.message_state import CardNote
from providers.bitrise.actions import Start
from storage.database import Database
from storage.encryption import Vault
from storage.installations import Installations, States
from storage.pending_actions import Deciders, signed_text
from storage.poll_recorder import Recorder
from storage.repositories import Storage
from storage.slack_messages import NewMessage
from storage.subscriptions import Scope, SeenAs
from storage.user_profiles import Person
from storage.workflow_steps import Wait
from tests.support.factories import ANDROID, NOON, a_build, to

SHOP = App(provider=Provider.BUILDIO, slug="shop-id", title="shop")
NEW, OLD = "new-" * 10, "old-" * 10
ANNA, BEN, TEAM = "U0ANNA", "U0BEN", "T1"
TOKEN = "anna-has-this-token-at-bitrise"
SLACK_TOKEN = "xoxb-this-is-slacks-own"
STARTED_BY_ANNA = {
    "environments": [{"key": "BUILDBELL_STARTED_BY", "value": ANNA}, {"key": "PIN", "value": "1234"}]
}


def vault(*keys: str) -> Vault:
    return Vault(keys or [OLD])


async def a_full_database(path: Path, *, key: str = OLD) -> None:
    """Every table has rows; a proposal of Ben's is open, one of Anna's too."""
    database = await Database.open(path)
    storage = Storage(database, vault(key))
    for team in (TEAM, "T2"):
        await _of_workspace(storage, team)
    await _of_everybody(storage)
    slack = Installations(database, vault(key), lambda: NOON)
    await slack.async_save(
        Installation(user_id=ANNA, team_id=TEAM, team_name="One", bot_token=SLACK_TOKEN, installed_at=0.0)
    )
    await slack.seen(TEAM, "E1")
    states = States(database, vault(key), lambda: NOON)
    assert await states.async_consume(await states.async_issue())
    await database.close()


async def _of_workspace(storage: Storage, team: str) -> None:
    here = storage.of(team)
    for person, name in ((ANNA, "anna-at-bitrise"), (BEN, "ben-at-bitrise")):
        await here.accounts.connect(
            person, Provider.BITRISE, SecretStr(TOKEN), provider_user=f"slug-{name}", name=name, at=NOON
        )
        await storage.sign_ins.begin(team, person, Provider.BUILDIO, NOON)
        await storage.deliveries.take(
            team, f"of-{person[2:].lower()}", now=NOON, until=NOON + timedelta(hours=1)
        )
        await here.passing_files.note(f"F0{person}", person, NOON)
        await here.people.save(Person(user=person, name=name, email=f"{name}@example.com", mention=True))
        await here.starts.remember(person, ANDROID.slug, TriggerBuild(app="android", branch="main"), at=NOON)
    await here.channels.use("C1", Provider.BITRISE, ANDROID.slug, by=ANNA, at=NOON)
    for channel, by in (("C1", ANNA), ("C2", BEN), ("D0ANNA", ANNA)):
        await here.ties.add(channel, SHOP, ANDROID, ("main",), by=by, at=NOON)
    await here.policies.add(Allow(who=Who(people=(ANNA, BEN))), by=ANNA, at=NOON)
    by_anna = Terms(filter=BuildFilter(by=Patterns(include=(f"@{ANNA}", "anna-at-bitrise"))))
    for channel, by, terms in (("C1", ANNA, Terms()), ("C2", BEN, by_anna), ("D0ANNA", ANNA, by_anna)):
        await here.subscriptions.add(
            channel=channel,
            app=ANDROID,
            terms=terms,
            by=by,
            at=NOON,
            baseline=Baseline(),
            scope=Scope(seen_as=SeenAs.OWN),
        )
    for number, (person, other) in enumerate(((ANNA, BEN), (BEN, ANNA))):
        act = Start(app=ANDROID, ask=TriggerBuild(app="android", branch="main", message="because"))
        proposal = storage.proposals.new(
            act,
            team=team,
            channel="C1",
            asked_by=person,
            deciders=Deciders(who=(Who(people=(other,)),)),
            asked_at=NOON,
            expires_at=NOON + timedelta(hours=1),
        )
        assert storage.vault is not None
        seal = storage.vault.sign(signed_text(team, proposal.id))
        entry = Entry(
            event=Event.PROPOSED,
            act="start",
            personal=Personal(person=person, reason=f"for <@{other}>"),
            channel="D0ANNA" if person == ANNA else "C1",
            about={"label": f"#{number}", "name": f"{person}-name"},
        )
        await storage.proposals.begin(proposal, Message(f"<@{person}> asks", [{"value": seal}]), entry)
    await storage.messages.owe(f"to-anna-{team}", to(ANNA, team), "notice", Message("to you").encode(), NOON)
    await storage.messages.owe(
        f"of-anna-{team}", to("C1", team), "notice x", Message(f"<@{ANNA}> did").encode(), NOON
    )
    await storage.steps.begin(team, f"Fx{team}", "start", NOON)
    await storage.steps.wait(Wait(team=team, execution=f"Fx{team}", app_slug="a", build_slug="b", until=NOON))


async def _of_everybody(storage: Storage) -> None:
    recorder = Recorder(storage.database, compare=compare, match=match)
    builds = (
        a_build(1, State.FAILED, params=STARTED_BY_ANNA),
        a_build(2, State.RUNNING, triggered_by="manual-Anna-at-Bitrise", pipeline=PipelineRef(id="p1")),
        a_build(3, branch="next", triggered_by="manual-ben-at-bitrise"),
    )
    pipeline = Pipeline(
        app_slug=ANDROID.slug,
        id="p1",
        name="all",
        state=State.RUNNING,
        triggered_by="manual-anna-at-bitrise",
        url="u",
    )
    await recorder.record(Sighting(token="t", builds=builds, seen_until=NOON, pipelines=(pipeline,)), at=NOON)
    request = BuildRequest(app_slug=ANDROID.slug, slug="r1", author="anna-at-bitrise")
    await storage.requests.begin(request, [to("C1")], Message("approve?"), NOON)
    owed = await storage.outbox.due(to("C1"), 10, NOON)
    card = NewMessage(parcel="card", team=TEAM, channel="C1", subject="card 1 x")
    note = CardNote(claimed_by=ANNA, snoozed_by=ANNA).encode()
    await storage.outbox.begin(owed[:1], card, NOON, note=note)


def everything(path: Path) -> str:
    """Every value of every row of every table, but for what is sealed."""
    db = sqlite_utils.Database(path)
    try:
        return "\n".join(
            f"{table.name} {row}"
            for table in db.tables
            for row in table.rows
            if table.name != "sqlite_sequence"
        )
    finally:
        db.close()


def without_audit(path: Path) -> str:
    """Everything but the audit log, into which a restore writes that it was one."""
    return "\n".join(line for line in everything(path).splitlines() if not line.startswith("audit"))
