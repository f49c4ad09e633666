"""A database of commit 1391b6b is moved into PostgreSQL by a process that is killed, and nothing is lost or sent twice.

COPY_KILLS is how often it is killed (default: 5), COPY_SEED repeats a run.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import random
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from storage.database_copy import copy_database
from tests.compatibility.move_process import move
from tests.compatibility.recorded_release import RecordedHarness
from tests.crash_recovery.expected_notifications import notifications_in
from tests.support.forked_bot import FORKS
from tests.support.postgres import PostgresServer
from tests.support.schema import all_rows

KILLS = int(os.environ.get("COPY_KILLS", "5"))
# So many that no channel has to wait for its turn at Slack.
CHANNELS, BUILDS = 125, 16
TABLES = 29
# A subscription of that commit's that shows each build, and a build of its app.
SUBSCRIPTION, APP = 2, "91b7584a2265b1f5"


def add_owed_notifications(path: Path, channels: list[str]) -> list[str]:
    """Add finished builds, and a notification about each in every channel; return the builds' names in order."""
    with closing(sqlite3.connect(path)) as db, db:
        query = "SELECT * FROM builds WHERE app_slug = ? AND state = 'succeeded' ORDER BY number DESC LIMIT 1"
        cursor = db.execute(query, [APP])
        columns = [column for column, *_ in cursor.description]
        build = dict(zip(columns, cursor.fetchone(), strict=True))
        [title] = db.execute("SELECT title FROM watched_apps WHERE app_slug = ?", [APP]).fetchone()
        for number in range(1, BUILDS + 1):
            slug, at = f"moved-{number}", f"2026-11-30T11:{number:02}:00"
            body = {"slug": slug, "number": 5000 + number, "finished_at": f"{at}Z", "state": "succeeded"}
            row = build | {"build_slug": slug, "number": 5000 + number, "finished_at": f"{at}.000000+00:00"}
            row["body"] = json.dumps(json.loads(build["body"]) | body)
            marks = ", ".join("?" * len(row))
            db.execute(f"INSERT INTO builds ({', '.join(row)}) VALUES ({marks})", list(row.values()))  # noqa: S608
        for channel in channels:
            [subscription] = db.execute(
                "INSERT INTO subscriptions (team_id, channel_id, provider, app_slug, terms, created_by, created_at,"
                " seen_as, checked_at) SELECT team_id, ?, provider, app_slug, terms, created_by, created_at, seen_as,"
                " checked_at FROM subscriptions WHERE id = ? RETURNING id",
                [channel, SUBSCRIPTION],
            ).fetchone()
            db.execute(
                "INSERT INTO notifications (subscription_id, team_id, channel_id, provider, build_slug, event, created_at)"
                " SELECT ?, 'T0SANDBOX', ?, provider, build_slug, 'ended', finished_at FROM builds"
                " WHERE build_slug LIKE 'moved-%' ORDER BY number",
                [subscription, channel],
            )
    return [f"{title} #{5000 + number} passed" for number in range(1, BUILDS + 1)]


def move_and_kill(path: Path, url: str, *, after_steps: int, after_seconds: float) -> None:
    """Move the database, and kill the process so many steps and seconds later, if it has not ended by then."""
    reader, writer = multiprocessing.Pipe(duplex=False)
    process = FORKS.Process(target=move, args=(path, url, writer), daemon=True)
    process.start()
    writer.close()
    try:
        for _ in range(after_steps):
            reader.recv_bytes()
    except EOFError:
        pass  # it has ended
    time.sleep(after_seconds)  # at any moment of a step
    process.kill()
    process.join()
    reader.close()


def move_to_the_end(path: Path, url: str) -> None:
    reader, writer = multiprocessing.Pipe(duplex=False)
    with reader, writer:
        move(path, url, writer)


async def test_all_notifications_of_a_moved_database_are_sent_once_and_in_order(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    seed = os.environ.get("COPY_SEED") or str(random.randrange(1_000_000))
    print(f"COPY_SEED={seed}")  # noqa: T201 - shown if the test fails
    chance = random.Random(seed)
    path, url = tmp_path / "buildbell.db", postgres.new_database(migrated=False)
    harness = RecordedHarness(tmp_path)
    try:
        await harness.open()
        workspace = harness.slack.workspace
        channels = [workspace.add_channel(f"moved-{number}") for number in range(CHANNELS)]
        for channel in channels:
            channel.members = set(workspace.channels["C0BUILDS"].members)
        expected = add_owed_notifications(path, [channel.id for channel in channels])

        for number in range(KILLS):
            # At first while it migrates, which takes about 30 ms; then after any table.
            steps, seconds = (1, 0.03) if number < KILLS // 2 else (chance.randint(2, TABLES), 0.01)
            await asyncio.to_thread(
                move_and_kill, path, url, after_steps=steps, after_seconds=chance.uniform(0, seconds)
            )
        await asyncio.to_thread(move_to_the_end, path, url)
        assert all_rows(url) == all_rows(f"sqlite:///{path}")
        assert copy_database(path, url).was_complete

        harness.database_url = url
        await harness.start_bot()
        waiting = "SELECT COUNT(*) FROM notifications WHERE build_slug LIKE 'moved-%' AND status <> 'told'"
        await harness.wait_for_values(waiting, 0)
        for channel in channels:
            posts = [name for post in channel.posts for name in notifications_in(harness.slack, post)]
            assert posts == expected
        assert harness.slack.violations == []
    finally:
        await harness.close()
    postgres.drop_database(url)
