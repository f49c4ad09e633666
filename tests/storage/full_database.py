"""A database with rows in every table, many of them about Anna."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from slack_sdk.oauth.installation_store.models.installation import Installation

from domain.access_policy import AllowRule, Principals
from domain.action import Approvers
from domain.audit_chain import AuditEntry, Event, PersonalFields
from domain.build import App, BuildRequest, BuildState, PipelineRef
from domain.build_filter import BuildFilter, GlobPatterns
from domain.commands.shared_commands import TriggerBuild
from domain.message import CardState, Message
from domain.notifications.rule import NotificationRule
from domain.pipeline import Pipeline
from domain.poll_state import Baseline, PollSnapshot
from domain.subscription import AccessSource, Scope
from providers.bitrise.builds.actions import TriggerBuildAction
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from storage.connection import Connection
from storage.database_url import open_database
from storage.encryption import SecretBox
from storage.installations import Installations, OAuthStates
from storage.pending_actions import signed_text
from storage.repositories import Repositories
from storage.slack_messages import NewMessage
from storage.user_profiles import UserProfile
from storage.workflow_steps import WaitingStep
from tests.support.factories import ANDROID, NOON, make_build, make_recipient
from tests.support.repositories import make_poll_recorder, make_repositories
from tests.support.schema import columns_of, connect_directly, table_names

SHOP = App(provider=BUILDIO, slug="shop-id", title="shop")
NEW, OLD = "new-" * 10, "old-" * 10
ANNA, BEN, TEAM = "U0ANNA", "U0BEN", "T1"
TOKEN = "anna-has-this-token-at-bitrise"
SLACK_TOKEN = "xoxb-this-is-slacks-own"
STARTED_BY_ANNA = {
    "environments": [{"key": "BUILDBELL_STARTED_BY", "value": ANNA}, {"key": "PIN", "value": "pin-1234"}]
}


def secret_box(*keys: str) -> SecretBox:
    return SecretBox(keys or [OLD])


async def create_full_database(url: str | Path, *, key: str = OLD) -> None:
    """Create a database with rows in every table, and pending actions of Anna and Ben."""
    database = await open_database(str(url))
    storage = make_repositories(database, secret_box(key))
    for team in (TEAM, "T2"):
        await _fill_workspace(storage, team)
    await _fill_shared_tables(storage)
    slack = Installations(database, secret_box(key), lambda: NOON)
    await slack.async_save(
        Installation(user_id=ANNA, team_id=TEAM, team_name="One", bot_token=SLACK_TOKEN, installed_at=0.0)
    )
    await slack.record_enterprise(TEAM, "E1")
    states = OAuthStates(database, secret_box(key), lambda: NOON)
    assert await states.async_consume(await states.async_issue())
    await database.close()


async def _fill_workspace(repositories: Repositories, team: str) -> None:
    here = repositories.of(team)
    for person, name in ((ANNA, "anna-at-bitrise"), (BEN, "ben-at-bitrise")):
        await here.accounts.connect(
            person, BITRISE, SecretStr(TOKEN), provider_user=f"slug-{name}", name=name, at=NOON
        )
        await repositories.oauth_sessions.begin(team, person, BUILDIO, NOON)
        await repositories.slack_deliveries.take(
            team, f"of-{person[2:].lower()}", now=NOON, until=NOON + timedelta(hours=1)
        )
        await here.temporary_files.note(f"F0{person}", person, NOON)
        await here.user_profiles.save(
            UserProfile(user=person, name=name, email=f"{name}@example.com", mention=True)
        )
        await here.last_triggers.store(
            person, ANDROID.slug, TriggerBuild(app="android", branch="main"), at=NOON
        )
    await here.channel_settings.set_default_app("C1", BITRISE, ANDROID.slug, by=ANNA, at=NOON)
    for channel, by in (("C1", ANNA), ("C2", BEN), ("D0ANNA", ANNA)):
        await here.deploy_links.add(channel, SHOP, ANDROID, ("main",), by=by, at=NOON)
    await here.access_rules.add(AllowRule(who=Principals(people=(ANNA, BEN))), by=ANNA, at=NOON)
    by_anna = NotificationRule(filter=BuildFilter(by=GlobPatterns(include=(f"@{ANNA}", "anna-at-bitrise"))))
    for channel, by, terms in (
        ("C1", ANNA, NotificationRule()),
        ("C2", BEN, by_anna),
        ("D0ANNA", ANNA, by_anna),
    ):
        await here.subscriptions.add(
            channel=channel,
            app=ANDROID,
            terms=terms,
            by=by,
            at=NOON,
            baseline=Baseline(),
            scope=Scope(seen_as=AccessSource.OWN),
        )
    for number, (person, other) in enumerate(((ANNA, BEN), (BEN, ANNA))):
        action = TriggerBuildAction(
            app=ANDROID, ask=TriggerBuild(app="android", branch="main", message="because")
        )
        pending_action = repositories.pending_actions.new(
            action,
            team=team,
            channel="C1",
            asked_by=person,
            deciders=Approvers(who=(Principals(people=(other,)),)),
            asked_at=NOON,
            expires_at=NOON + timedelta(hours=1),
        )
        assert repositories.vault is not None
        signature = repositories.vault.sign(signed_text(team, pending_action.id))
        entry = AuditEntry(
            event=Event.PROPOSED,
            act="start",
            personal=PersonalFields(person=person, reason=f"for <@{other}>"),
            channel="D0ANNA" if person == ANNA else "C1",
            about={"label": f"#{number}", "name": f"{person}-name"},
        )
        await repositories.pending_actions.begin(
            pending_action, Message(f"<@{person}> asks", [{"value": signature}]), entry
        )
    await repositories.slack_messages.enqueue(
        f"to-anna-{team}", make_recipient(ANNA, team), "notice", Message("to you").encode(), NOON
    )
    await repositories.slack_messages.enqueue(
        f"of-anna-{team}", make_recipient("C1", team), "notice x", Message(f"<@{ANNA}> did").encode(), NOON
    )
    await repositories.workflow_steps.begin(team, f"Fx{team}", "start", NOON)
    await repositories.workflow_steps.wait(
        WaitingStep(team=team, execution=f"Fx{team}", app_slug="a", build_slug="b", until=NOON)
    )


async def _fill_shared_tables(repositories: Repositories) -> None:
    recorder = make_poll_recorder(repositories.database)
    builds = (
        make_build(1, BuildState.FAILED, params=STARTED_BY_ANNA),
        make_build(
            2, BuildState.RUNNING, triggered_by="manual-Anna-at-Bitrise", pipeline=PipelineRef(id="p1")
        ),
        make_build(3, branch="next", triggered_by="manual-ben-at-bitrise"),
    )
    pipeline = Pipeline(
        provider=BITRISE,
        app_slug=ANDROID.slug,
        id="p1",
        name="all",
        state=BuildState.RUNNING,
        triggered_by="manual-anna-at-bitrise",
        url="u",
    )
    await recorder.record(
        PollSnapshot(token="t", provider=BITRISE, builds=builds, seen_until=NOON, pipelines=(pipeline,)),
        at=NOON,
    )
    request = BuildRequest(provider=BITRISE, app_slug=ANDROID.slug, slug="r1", author="anna-at-bitrise")
    await repositories.build_requests.begin(request, [make_recipient("C1")], Message("approve?"), NOON)
    due = await repositories.outbox.due(make_recipient("C1"), 10, NOON)
    card = NewMessage(parcel="card", team=TEAM, channel="C1", subject="card 1 x")
    note = CardState(claimed_by=ANNA, snoozed_by=ANNA).encode()
    await repositories.outbox.begin(due[:1], card, NOON, note=note)


def dump_rows(url: str | Path) -> str:
    """Return all rows of all tables as text, in no order that anything depends on."""
    with connect_directly(str(url)) as db:
        return "\n".join(
            sorted(
                f"{table} {row}"
                for table in table_names(db)
                for row in rows_of(db, table)
                if table != "sqlite_sequence"
            )
        )


def rows_of(db: Connection, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table."""
    names = [column.name for column in columns_of(db, table)]
    rows = db.execute(f'SELECT {", ".join(names)} FROM "{table}"')  # noqa: S608 - names of tables
    return [dict(zip(names, row, strict=True)) for row in rows]


def without_audit(url: str | Path) -> str:
    """Return all rows except the audit log, to which a restore adds an entry."""
    return "\n".join(line for line in dump_rows(url).splitlines() if not line.startswith("audit"))
