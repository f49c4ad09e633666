"""What SQL preselects for a build, and the matching of all subscriptions in Python, find the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.build import App, BuildChange, BuildState
from domain.build_author import STARTED_BY, slack_user
from domain.build_filter import BuildFilter, GlobPatterns
from domain.failure_streak import StreakPosition, StreakState
from domain.notifications.matching import match_changes
from domain.notifications.rule import NotificationRule
from domain.poll_state import Baseline
from domain.subscription import AccessSource, Scope, Subscription
from providers.bitrise.provider import BITRISE
from storage.connection import Connection, Parameters
from storage.database_url import open_database
from storage.personal_data import erase_everywhere
from storage.repositories import Repositories
from storage.subscribed_apps import find_candidates, index_rows
from storage.subscriptions import select_subscriptions, subscriptions_to_match, teams_with_authors
from storage.user_profiles import UserProfile, name_directories
from tests.support.factories import ANDROID, NOON, make_build
from tests.support.notification_rules import APPS, BUILDS, RULES
from tests.support.repositories import make_repositories

TEAMS = ("T1", "T2")
SUBSCRIPTIONS = st.tuples(
    st.sampled_from(TEAMS),
    RULES,
    st.sampled_from(APPS) | st.none() | st.frozensets(st.sampled_from(APPS)),  # one app, every app, some apps
    st.sampled_from(["", "", "", "paused", "removed", "resumed", "changed", "checked", "confirmed"]),
    RULES,
)
CHANGES = st.lists(
    st.builds(BuildChange, build=BUILDS, was=st.none() | st.just(BuildState.RUNNING)),
    min_size=1,
    max_size=3,
    unique_by=lambda change: change.build.slug,
)
POSITIONS = st.sampled_from(StreakPosition)


async def subscribe_any(
    repositories: Repositories, number: int, team: str, rule: NotificationRule, apps: object
) -> Subscription:
    subscriptions = repositories.of(team).subscriptions
    channel = f"C{number}"
    if isinstance(apps, str):
        app = App(provider=BITRISE, slug=apps, title=apps)
        return await subscriptions.add(
            channel=channel, app=app, terms=rule, by="U1", at=NOON, baseline=Baseline()
        )
    scope = Scope(seen_as=AccessSource.OWN, apps=apps) if isinstance(apps, frozenset) else Scope()
    return await subscriptions.add_for_every_app(
        channel=channel, provider=BITRISE, terms=rule, by="U1", at=NOON, scope=scope
    )


async def alter(
    repositories: Repositories, subscription: Subscription, how: str, rule: NotificationRule, apps: object
) -> None:
    subscriptions = repositories.of(subscription.team).subscriptions
    scope = Scope(seen_as=AccessSource.OWN, apps=apps) if isinstance(apps, frozenset) else Scope()
    if how in ("paused", "resumed"):
        await subscriptions.pause(subscription, NOON)
    if how == "resumed":
        await subscriptions.resume(subscription, by="U1", at=NOON, scope=scope)
    elif how == "removed":
        await subscriptions.remove(subscription)
    elif how == "changed":
        await subscriptions.change(subscription, rule)
    elif how == "checked":
        await repositories.subscriptions.mark_checked(
            subscription, NOON, Scope(seen_as=AccessSource.OWN, apps=frozenset({"app-b"}))
        )


def match_all(
    db: Connection, changes: Sequence[BuildChange], streaks: dict[str, StreakState]
) -> tuple[list[Any], list[Any]]:
    """Match the preselected subscriptions, and all active ones."""
    everything = select_subscriptions(db, "stopped_reason IS NULL", [])
    names = name_directories(db, TEAMS)
    chosen = subscriptions_to_match(db, changes, streaks)
    return (
        match_changes(changes, streaks, chosen, names, NOON),
        match_changes(changes, streaks, everything, names, NOON),
    )


def stored_index(db: Connection) -> set[tuple[Any, ...]]:
    query = "SELECT subscription_id, provider, app_slug, search_key, rule_key FROM apps_of"
    return {tuple(row) for row in db.execute(query)}


def complete_index(db: Connection) -> set[tuple[Any, ...]]:
    """Return what belongs in the index of the subscriptions as they are."""
    query = "SELECT id, provider, app_slug, apps, terms FROM subscriptions WHERE stopped_reason IS NULL"
    return {(identity, *row) for identity, *columns in db.execute(query) for row in index_rows(*columns)}


async def store_people(repositories: Repositories) -> None:
    for team, user, name in (("T1", "U0ANNA", "octo"), ("T2", "U0BEN", "octo"), ("T2", "U0ANNA", "@u0ben")):
        await repositories.of(team).user_profiles.save(
            UserProfile(user=user, name=name, email="anna@example.com" if team == "T1" else None)
        )


async def empty(repositories: Repositories) -> None:
    for table in ("subscriptions", "apps_of", "notifications", "watched_apps"):
        await repositories.database.write(lambda db, table=table: db.execute(f"DELETE FROM {table}"))  # type: ignore[misc] # noqa: S608 - our own names


def test_the_preselection_misses_no_subscription(database_url: str) -> None:
    with asyncio.Runner() as runner:
        database = runner.run(open_database(database_url))
        repositories = make_repositories(database)
        runner.run(store_people(repositories))
        notified = []

        @settings(max_examples=80)
        @given(
            st.lists(SUBSCRIPTIONS, min_size=1, max_size=8),
            CHANGES,
            st.lists(POSITIONS, min_size=3, max_size=3),
        )
        def check(new: list[Any], changes: list[BuildChange], positions: list[StreakPosition]) -> None:
            streaks = {
                change.build.slug: StreakState(position=position)
                for change, position in zip(changes, positions, strict=False)
                if change.build.ended
            }

            async def compare() -> None:
                await empty(repositories)
                for number, (team, rule, apps, how, other) in enumerate(new):
                    subscription = await subscribe_any(repositories, number, team, rule, apps)
                    await alter(repositories, subscription, how, other, apps)
                found, expected = await database.read(lambda db: match_all(db, changes, streaks))
                assert found == expected
                assert await database.read(stored_index) == await database.read(complete_index)
                notified.extend(expected)

            runner.run(compare())

        check()
        runner.run(database.close())
        assert len(notified) > 50


async def test_the_index_follows_a_subscription_through_its_life(repositories: Repositories) -> None:
    apps = frozenset({"app-a", "app-b"})
    subscription = await subscribe_any(repositories, 1, "T1", NotificationRule(), apps)
    here = repositories.of("T1").subscriptions

    async def indexed_apps() -> set[str]:
        stored = await repositories.database.read(stored_index)
        assert stored == await repositories.database.read(complete_index)
        return {row[2] for row in stored}

    assert await indexed_apps() == {"app-a", "app-b"}
    await here.pause(subscription, NOON)
    assert await indexed_apps() == set()
    await here.resume(subscription, by="U1", at=NOON, scope=Scope(seen_as=AccessSource.OWN, apps=apps))
    assert await indexed_apps() == {"app-a", "app-b"}
    fewer = Scope(seen_as=AccessSource.OWN, apps=frozenset({"app-b"}))
    await repositories.subscriptions.mark_checked(subscription, NOON, fewer)
    assert await indexed_apps() == {"app-b"}
    assert await here.stop("C1", "is_archived", NOON)
    assert await indexed_apps() == set()
    [resumed] = [await subscribe_any(repositories, 1, "T1", NotificationRule(), None)]
    assert (resumed.id, await indexed_apps()) == (subscription.id, {""})
    assert await here.stop_without_access(resumed, NOON, account=None)
    assert await indexed_apps() == set()
    await here.resume(subscription, by="U1", at=NOON)
    assert await indexed_apps() == {""}
    await repositories.wipe("T1")
    assert await indexed_apps() == set()


async def test_the_index_forgets_an_erased_person(repositories: Repositories) -> None:
    by_anna = NotificationRule(filter=BuildFilter(by=GlobPatterns(include=("@U0ANNA",))))
    await subscribe_any(repositories, 1, "T1", by_anna, None)
    build = make_build(1, params={"environments": [{"key": STARTED_BY, "value": slack_user("U0ANNA", "T1")}]})
    changes = [BuildChange(build=build, was=None)]
    assert await repositories.database.read(lambda db: find_candidates(db, changes, {}))
    await repositories.database.write(lambda db: erase_everywhere(db, "T1", "U0ANNA", None, NOON))
    assert await repositories.database.read(lambda db: find_candidates(db, changes, {})) == []
    assert await repositories.database.read(stored_index) == await repositories.database.read(complete_index)


async def test_a_build_costs_no_more_statements_and_rows_for_subscriptions_that_do_not_want_it(
    repositories: Repositories,
) -> None:
    changes = [BuildChange(build=make_build(1), was=None)]

    def read(db: Connection) -> tuple[int, int]:
        counter = CountingConnection(db)
        names = name_directories(counter, teams_with_authors(subscriptions_to_match(counter, changes, {})))
        assert set(names) <= {"T1"}
        return counter.statements, counter.rows

    await subscribe_any(repositories, 0, "T1", NotificationRule(), ANDROID.slug)
    before = await repositories.database.read(read)
    for number in range(1, 20):
        await subscribe_any(repositories, number, f"T{number}", NotificationRule(), frozenset({"app-a"}))
        for branch in (f"feature/{number}", "release/*"):
            other = NotificationRule(filter=BuildFilter(branch=GlobPatterns(include=(branch,))))
            await subscribe_any(repositories, number, f"T{number}", other, None)
        mine = NotificationRule(filter=BuildFilter(by=GlobPatterns(include=(f"@U{number}",))))
        await subscribe_any(repositories, number, f"T{number}", mine, None)
    statements, rows = await repositories.database.read(read)
    # One more row: the rule about release branches, once for all subscriptions that share it.
    assert (statements, rows) == (before[0], before[1] + 1)


async def test_the_people_of_many_workspaces_are_read_at_once(repositories: Repositories) -> None:
    await store_people(repositories)

    def read(db: Connection) -> None:
        counter = CountingConnection(db)
        found = name_directories(counter, [*TEAMS, "T3"])
        assert counter.statements == 1
        assert {team: set(names.known) for team, names in found.items()} == {
            "T1": {"U0ANNA"},
            "T2": {"U0ANNA", "U0BEN"},
            "T3": set(),
        }

    await repositories.database.read(read)


class CountingConnection:
    """A connection that counts its statements, and the rows that it was asked for."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self.statements = 0
        self.rows = 0

    def execute(self, statement: str, parameters: Parameters = ()) -> Any:
        self.statements += 1
        rows = self._db.execute(statement, parameters).fetchall()
        self.rows += len(rows)
        return CountedRows(rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


class CountedRows(list[Any]):
    def fetchall(self) -> list[Any]:
        return self

    def fetchone(self) -> Any:
        return self[0] if self else None


async def test_builds_of_a_person_are_found_by_each_of_their_names(repositories: Repositories) -> None:
    await store_people(repositories)
    mine = NotificationRule(filter=BuildFilter(by=GlobPatterns(include=("@U0ANNA",))))
    subscription = await subscribe_any(repositories, 1, "T1", mine, None)
    for name, found in (("Octo", [subscription.id]), ("anna@example.com", [subscription.id]), ("nobody", [])):
        changes = [BuildChange(build=make_build(1, triggered_by=f"manual-{name}"), was=None)]
        assert (
            await repositories.database.read(lambda db, changes=changes: find_candidates(db, changes, {}))  # type: ignore[misc]
            == found
        )
