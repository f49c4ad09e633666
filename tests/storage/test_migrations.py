"""Migrations from the first schema to the current one, even if the process is killed meanwhile."""

from __future__ import annotations

import json
import multiprocessing
import random
import time
from pathlib import Path

import sqlite_utils

from domain.access_policy import AccessRequest, Match, Permission
from domain.build import BuildState, RunKind
from domain.notifications.rule import Result
from domain.poll_state import PollSnapshot
from providers.bitrise.provider import BITRISE
from providers.buildio.provider import BUILDIO
from storage.encryption import SecretBox
from storage.migrations import migrations
from storage.slack_messages import MessageStatus
from storage.sqlite_database import SqliteDatabase
from tests.storage.migration_process import migrate
from tests.support.factories import ANDROID, NOON, make_build, make_recipient
from tests.support.forked_bot import FORKS
from tests.support.repositories import make_poll_recorder, make_repositories

ROOT = Path(__file__).parents[2]


def first_version(path: Path, *, builds: int = 3) -> None:
    """Create a database of the first version: a filter with results, pending notifications, one in doubt."""
    db = sqlite_utils.Database(path)
    migrations.apply(db, stop_before="m002_terms_series_and_messages")
    filter_ = {"branch": {"include": ["main"], "exclude": []}, "states": ["failed", "aborted"]}
    db.table("watched_apps").insert(
        {
            "provider": "bitrise",
            "app_slug": ANDROID.slug,
            "title": ANDROID.title,
            "body": ANDROID.model_dump_json(),
            "joined": 1,
        }
    )
    db.table("subscriptions").insert(
        {
            "team_id": "T1",
            "channel_id": "C1",
            "provider": "bitrise",
            "app_slug": ANDROID.slug,
            "filter": json.dumps(filter_),
            "created_by": "U1",
            "created_at": NOON.isoformat(timespec="microseconds"),
        }
    )
    for number in range(1, builds + 1):
        build = make_build(number)
        db.table("builds").insert(
            {
                "provider": "bitrise",
                "build_slug": build.slug,
                "app_slug": build.app_slug,
                "number": number,
                "state": "failed",
                "ended": 1,
                "body": build.model_dump_json(),
            }
        )
        db.table("notifications").insert(
            {
                "subscription_id": 1,
                "channel_id": "C1",
                "provider": "bitrise",
                "build_slug": build.slug,
                "event": "ended",
                "created_at": NOON.isoformat(timespec="microseconds"),
                "status": "sending" if number == 1 else "owed",
                "parcel": "from-before" if number == 1 else None,
                "sent_at": NOON.isoformat(timespec="microseconds") if number == 1 else None,
            }
        )
    db.close()


async def check_migrated(path: Path, builds: int = 3) -> None:
    database = await SqliteDatabase.open(path)
    storage = make_repositories(database)
    [subscription] = await storage.of("T1").subscriptions.of_channel("C1")
    assert subscription.terms.results == {Result.FAILED, Result.ABORTED}
    assert subscription.terms.filter.branch.include == ("main",)
    assert await storage.of("T1").subscriptions.is_watched(BITRISE, ANDROID.slug)
    [in_doubt] = await storage.slack_messages.unfinished(make_recipient("C1"))
    assert (in_doubt.parcel, in_doubt.status) == ("from-before", MessageStatus.SENDING)
    assert len(await storage.outbox.due(make_recipient("C1"), 10_000, NOON)) == builds - 1
    assert len(await storage.outbox.in_message("from-before")) == 1
    await database.close()


async def test_the_first_versions_database_keeps_its_pending_notifications(tmp_path: Path) -> None:
    first_version(tmp_path / "b.db")
    await check_migrated(tmp_path / "b.db")


async def test_a_kill_while_migrating_loses_nothing(tmp_path: Path) -> None:
    path, chance = tmp_path / "b.db", random.Random(4)
    first_version(path, builds=2000)
    for _ in range(5):
        kill_while_migrating(path, after_seconds=chance.uniform(0, 0.03))
    await check_migrated(path, builds=2000)


def kill_while_migrating(path: Path, *, after_seconds: float) -> None:
    reader, writer = multiprocessing.Pipe(duplex=False)
    process = FORKS.Process(target=migrate, args=(path, writer), daemon=True)
    process.start()
    writer.close()
    assert reader.recv_bytes() == b"."
    time.sleep(after_seconds)  # at any moment of the migration
    process.kill()
    process.join()
    reader.close()


async def test_steps_from_before_workspaces_belong_to_the_only_workspace(tmp_path: Path) -> None:
    db = sqlite_utils.Database(tmp_path / "b.db")
    migrations.apply(db, stop_before="m004_many_workspaces")
    db.table("people").insert({"team_id": "T1", "user_id": "U1"})
    step = {"execution": "Fx1", "kind": "wait", "begun_at": NOON.isoformat(timespec="microseconds")}
    db.table("workflow_steps").insert(step | {"outcome": '{"error":"gone"}'})
    db.close()
    database = await SqliteDatabase.open(tmp_path / "b.db")
    [(team, execution, outcome)] = await make_repositories(database).workflow_steps.unreported()
    assert (team, execution, outcome.error) == ("T1", "Fx1", "gone")
    assert not await make_repositories(database).workflow_steps.begin("T1", "Fx1", "wait", NOON)
    assert await make_repositories(database).workflow_steps.begin("T2", "Fx1", "wait", NOON)
    await database.close()


async def test_rows_from_before_other_run_kinds_are_builds(tmp_path: Path) -> None:
    first_version(tmp_path / "b.db")
    db = sqlite_utils.Database(tmp_path / "b.db")
    migrations.apply(db, stop_before="m005_snapshots")
    for row in db.table("builds").rows:
        body = {name: value for name, value in json.loads(row["body"]).items() if name != "kind"}
        db.table("builds").update(("bitrise", row["build_slug"]), {"body": json.dumps(body)})
    db.close()
    database = await SqliteDatabase.open(tmp_path / "b.db")
    storage = make_repositories(database)
    assert {
        notification.build.kind for notification in await storage.outbox.due(make_recipient("C1"), 10, NOON)
    } == {RunKind.BUILD}
    assert (await storage.watched_builds.state("t", BUILDIO)).snapshots == {}
    await database.close()


async def test_rules_about_all_former_permissions_cover_all_permissions(tmp_path: Path) -> None:
    db = sqlite_utils.Database(tmp_path / "b.db")
    migrations.apply(db, stop_before="m006_accounts_elsewhere")
    everything = ["abort", "trigger", "artifacts", "approve", "subscribe"]
    who = {"everyone": False, "people": ["U0ANNA"], "groups": []}
    for body in (
        {"kind": "allow", "permissions": everything, "who": who},
        {"kind": "allow", "permissions": everything[:4], "who": who},
        {"kind": "protect", "permissions": everything[:4], "branches": ["main"]},
        {"kind": "protect", "permissions": ["abort"]},
    ):
        row = {"team_id": "T1", "body": json.dumps(body), "set_by": "U0ANNA"}
        db.table("policies").insert(row | {"set_at": NOON.isoformat(timespec="microseconds")})
    db.table("accounts").insert(
        {"team_id": "T1", "user_id": "U0ANNA", "provider": "bitrise", "provider_user": "slug", "name": "anna"}
        | {
            "sealed": SecretBox(["key-" * 10]).encrypt(
                "a-token-of-before", "account", "T1", "U0ANNA", "bitrise"
            )
        }
        | {"connected_at": NOON.isoformat(timespec="microseconds")}
    )
    db.close()
    database = await SqliteDatabase.open(tmp_path / "b.db")
    here = make_repositories(database, SecretBox(["key-" * 10])).of("T1")
    rules = [stored.rule for stored in await here.access_rules.all()]
    assert [set(rule.permissions) for rule in rules] == [set(), set(everything[:4]), set(), {"abort"}]
    deployment = AccessRequest(permission=Permission.DEPLOY, provider=BUILDIO)
    assert all(rule.match(deployment) is not Match.NO for rule in (rules[0], rules[2]))
    account = await here.accounts.find("U0ANNA", BITRISE)
    assert account is not None
    assert here.accounts.token(account).get_secret_value() == "a-token-of-before"
    await database.close()


async def test_access_lost_before_the_migration_stays_lost_and_the_rest_is_checked_at_once(
    tmp_path: Path,
) -> None:
    db = sqlite_utils.Database(tmp_path / "b.db")
    migrations.apply(db, stop_before="m009_access_lost")
    noon = NOON.isoformat(timespec="microseconds")
    row = {"team_id": "T1", "channel_id": "C1", "provider": "bitrise", "app_slug": "a", "terms": "{}"}
    row |= {"created_by": "U1", "created_at": noon, "checked_at": noon, "seen_as": "own", "sees_logs": "0"}
    for stopped in (None, "paused", "unseen"):
        db.table("subscriptions").insert(
            row | {"stopped_reason": stopped, "stopped_at": noon if stopped else None}
        )
    notification = {
        "team_id": "T1",
        "channel_id": "C1",
        "provider": "bitrise",
        "event": "ended",
        "created_at": noon,
    }
    db.table("notifications").insert(notification | {"subscription_id": 1, "build_slug": "b"})
    db.table("notifications").insert(notification | {"subscription_id": 99, "build_slug": "b"})
    db.close()
    database = await SqliteDatabase.open(tmp_path / "b.db")
    storage = make_repositories(database)
    found = await storage.of("T1").subscriptions.of_channel("C1")
    assert [(subscription.confirmed_at, subscription.unseen_at) for subscription in found] == [
        (NOON, None),
        (None, None),
        (None, NOON),
    ]
    due = await storage.subscriptions.to_check(NOON, 10, providers=[BITRISE])
    assert [subscription.stopped for subscription in due] == [None, "paused"]
    query = "SELECT sees_logs FROM notifications ORDER BY id"
    assert await database.read(lambda db: db.execute(query).fetchall()) == [(0,), (None,)]
    await database.close()


async def test_subscriptions_from_before_the_index_are_notified(tmp_path: Path) -> None:
    db = sqlite_utils.Database(tmp_path / "b.db")
    migrations.apply(db, stop_before="m016_subscribed_apps")
    watched = {"provider": "bitrise", "app_slug": ANDROID.slug, "title": ANDROID.title}
    db.table("watched_apps").insert(watched | {"body": ANDROID.model_dump_json(), "joined": 1})
    row = {"team_id": "T1", "provider": "bitrise", "terms": '{"results":["failed"]}', "created_by": "U1"}
    row |= {"created_at": NOON.isoformat(timespec="microseconds")}
    for number, (app, apps, stopped) in enumerate(
        [
            (ANDROID.slug, None, None),
            ("another", None, None),
            ("", None, None),
            ("", json.dumps([ANDROID.slug, "another"]), None),
            ("", json.dumps(["another"]), None),
            ("", None, "paused"),
        ],
        start=1,
    ):
        db.table("subscriptions").insert(
            row | {"channel_id": f"C{number}", "app_slug": app, "apps": apps, "stopped_reason": stopped}
        )
    db.close()
    database = await SqliteDatabase.open(tmp_path / "b.db")
    snapshot = PollSnapshot(token="t", provider=BITRISE, builds=(make_build(1, BuildState.FAILED),))
    await make_poll_recorder(database).record(snapshot, at=NOON)
    query = "SELECT channel_id FROM notifications ORDER BY channel_id"
    assert await database.read(lambda db: db.execute(query).fetchall()) == [("C1",), ("C3",), ("C4",)]
    await database.close()
