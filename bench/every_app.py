"""Recording one ended build, with and without 10,000 subscriptions to every app that do not want it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from statistics import median

from bench.build_pages import BEGAN
from bench.databases import POSTGRES, new_databases
from bench.result import BenchmarkResult, measure_seconds, scale_count
from bot.providers_setup import ACTIONS
from domain.build import App, Build, BuildState
from domain.build_filter import BuildFilter, BuildTriggerEvent, GlobPatterns
from domain.notifications.matching import match_changes
from domain.notifications.rule import DeliveryStyle, NotificationRule, Result
from domain.poll_state import Baseline, PollSnapshot, find_changes
from domain.subscription import AccessSource, Scope
from messages.started_run import RunMessageRenderer
from providers.bitrise.provider import BITRISE
from storage.connection import Connection
from storage.database import Database
from storage.database_url import open_database
from storage.poll_recorder import PollRecorder
from storage.repositories import Repositories
from storage.subscribed_apps import index_subscriptions
from storage.subscriptions import scope_row
from storage.timestamps import to_text

SUBSCRIPTIONS = 10_000
TIMES = 100
GOAL = 1.5
APP = App(provider=BITRISE, slug="0123456789abcdef", title="Android")
OTHER_APPS = frozenset({"1111111111111111", "2222222222222222"})


async def measure(scale: float = 1) -> list[BenchmarkResult]:
    count, times = scale_count(SUBSCRIPTIONS, scale, minimum=20), scale_count(TIMES, scale, minimum=2)
    results = []
    with new_databases() as databases:
        for kind, new_url in databases.items():
            opened = [await open_database(new_url()) for _ in range(3)]
            alone, unseen, unwanted = [await _prepare(database) for database in opened]
            await opened[1].write(lambda db: _add_every_app(db, count, _unseen))
            await opened[2].write(lambda db: _add_every_app(db, count, _unwanted))
            if kind == POSTGRES:
                for database in opened:
                    # As the server itself does after a while (PostgreSQL, "The Autovacuum Daemon").
                    await database.write(lambda db: db.execute("ANALYZE"))
            seconds = await _measure_alternately([alone, unseen, unwanted], times)
            results += [
                BenchmarkResult(
                    f"{kind}, a build and {count:,} that {what}",
                    f"{measured * 1000:.2f} ms, {measured / seconds[0]:.2f} times",
                    f"without them {seconds[0] * 1000:.2f} ms",
                    f"under {GOAL} times",
                    measured / seconds[0] < GOAL,
                )
                for what, measured in zip(("can't see it", "don't want it"), seconds[1:], strict=True)
            ]
            for database in opened:
                await database.close()
    return results


async def _prepare(database: Database) -> PollRecorder:
    """Subscribe one channel to the app, so that there is something to notify."""
    run_messages = RunMessageRenderer()
    storage = Repositories(database, read_action=ACTIONS.read, run_messages=run_messages)
    await storage.of("T0").subscriptions.add(
        channel="C0", app=APP, terms=NotificationRule(), by="U0", at=BEGAN, baseline=Baseline(at=BEGAN)
    )
    return PollRecorder(database, compare=find_changes, match=match_changes, run_messages=run_messages)


def _unseen(_number: int) -> tuple[NotificationRule, Scope]:
    return NotificationRule(), Scope(seen_as=AccessSource.OWN, apps=OTHER_APPS)


def _unwanted(number: int) -> tuple[NotificationRule, Scope]:
    """Return one of several rules that ask for other builds, for creators who can see the app, or for the bot."""
    rules = (
        NotificationRule(results=frozenset({Result.FAILED})),
        NotificationRule(results=frozenset({Result.BROKEN, Result.FIXED}), style=DeliveryStyle.THREAD),
        NotificationRule(style=DeliveryStyle.CARD),
        NotificationRule(filter=BuildFilter(branch=GlobPatterns(include=("release/*",)))),
        NotificationRule(filter=BuildFilter(branch=GlobPatterns(include=(f"feature/{number}",)))),
        NotificationRule(filter=BuildFilter(by=GlobPatterns(include=(f"@U{number}",)))),
        NotificationRule(filter=BuildFilter(workflow=GlobPatterns(include=("deploy",)))),
        NotificationRule(filter=BuildFilter(events=frozenset({BuildTriggerEvent.TAG}))),
    )
    scope = Scope(seen_as=AccessSource.OWN, apps=OTHER_APPS | {APP.slug}) if number % 2 else Scope()
    return rules[number // 2 % len(rules)], scope


def _add_every_app(
    db: Connection, count: int, content: Callable[[int], tuple[NotificationRule, Scope]]
) -> None:
    """Add such a subscription in each of as many workspaces, in one transaction."""
    rows = []
    for number in range(1, count + 1):
        rule, scope = content(number)
        terms = rule.model_dump_json(exclude_defaults=True)
        rows.append(
            (f"T{number}", f"C{number}", BITRISE, terms, f"U{number}", to_text(BEGAN), *scope_row(scope))
        )
    db.executemany(
        "INSERT INTO subscriptions (number, team_id, channel_id, provider, app_slug, terms, created_by, created_at,"
        " seen_as, apps, sees_logs) VALUES (1, ?, ?, ?, '', ?, ?, ?, ?, ?, ?)",
        rows,
    )
    db.executemany(
        "INSERT INTO people (team_id, user_id, name) VALUES (?, ?, ?)",
        [(f"T{number}", f"U{number}", f"person-{number}") for number in range(1, count + 1)],
    )
    index_subscriptions(db, "1 = 1", [])


async def _measure_alternately(recorders: list[PollRecorder], times: int) -> list[float]:
    """Return the median seconds of each recorder for one ended build; in turn, so that load affects all alike."""
    seconds: list[list[float]] = [[] for _ in recorders]
    for number in range(times + 5):
        for turn in range(len(recorders)):
            # None is always the first, which finds the caches cold.
            index = (number + turn) % len(recorders)
            record = partial(recorders[index].record, _snapshot(number), at=BEGAN)
            seconds[index].append(await measure_seconds(record))
    return [median(measured[5:]) for measured in seconds]


def _snapshot(number: int) -> PollSnapshot:
    at = BEGAN + timedelta(minutes=number + 1)
    build = Build(
        provider=BITRISE,
        app_slug=APP.slug,
        slug=f"{number:016x}",
        number=number + 1,
        state=BuildState.SUCCEEDED,
        branch="main",
        workflow="primary",
        triggered_by="webhook-github/octo",
        triggered_at=at,
        finished_at=at,
        url="https://app.bitrise.io/build/x",
    )
    return PollSnapshot(token="t", provider=BITRISE, builds=(build,), seen_until=at)
