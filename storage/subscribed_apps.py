"""The index of subscriptions by what they ask for, the table `apps_of`; for use inside a transaction.

It has a row for each app of an active subscription and each search key of its rule, so that a build costs what it
causes, however many subscriptions there are. `app_slug` is empty if the subscription is for every app of the provider.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TypeVar

from domain.build import BuildChange
from domain.failure_streak import StreakState
from domain.notifications.preselection import Preselection, author_names, search_keys_of
from domain.notifications.rule import NotificationRule
from domain.provider import Provider
from storage.connection import Connection

# Stands for every watched app, if a subscription is not for a single app.
EVERY_APP = ""
# SQLite takes at least 999 parameters in one statement (sqlite.org, "Implementation Limits For SQLite").
_CHUNK = 300

_Row = tuple[str, str, str, str]
_T = TypeVar("_T")


def index_subscriptions(db: Connection, where: str, arguments: Sequence[object]) -> None:
    """Bring the index in step with the matching subscriptions, whose rows this transaction has written."""
    rows = db.execute(
        "SELECT id, provider, app_slug, apps, terms, stopped_reason FROM subscriptions"
        f" WHERE {where} ORDER BY id",
        arguments,
    ).fetchall()
    for identity, provider, app_slug, apps, terms, stopped in rows:
        _store(db, identity, set() if stopped else index_rows(provider, app_slug, apps, terms))


def remove_from_index(db: Connection, identity: int) -> None:
    """Remove a subscription that is deleted."""
    db.execute("DELETE FROM apps_of WHERE subscription_id = ?", [identity])


def find_candidates(
    db: Connection, changes: Sequence[BuildChange], streak_states: Mapping[str, StreakState]
) -> list[int]:
    """Return the IDs of all active subscriptions that could want one of the changes, each once.

    All changes are of one provider. `streak_states` holds the streak positions of ended builds, by slug.
    """
    if not changes:
        return []
    provider = changes[0].build.provider
    people = _people_by_name(db, {name for change in changes for name in author_names(change.build)})
    sought: dict[tuple[str, str], list[BuildChange]] = {}
    for change in changes:
        named = [person for name in author_names(change.build) for person in people.get(name, ())]
        for key in search_keys_of(change.build, named):
            for app_slug in (change.build.app_slug, EVERY_APP):
                sought.setdefault((app_slug, key), []).append(change)
    wanted = [
        (app_slug, search_key, rule_key)
        for app_slug, search_key, rule_key, terms in _rules(db, provider, sorted(sought))
        if any(
            preselection(terms).could_want(change, streak_states.get(change.build.slug))
            for change in sought[app_slug, search_key]
        )
    ]
    return sorted(_subscriptions(db, provider, wanted))


@lru_cache(maxsize=1000)
def preselection(terms: str) -> Preselection:
    """Return how the terms in a column are searched for. Cached: they are the same for most subscriptions."""
    return Preselection.of(NotificationRule.model_validate_json(terms))


@lru_cache(maxsize=1000)
def _keys(terms: str) -> tuple[frozenset[str], str]:
    found = preselection(terms)
    return found.search_keys, found.rule_key


def index_rows(provider: str, app_slug: str, apps: str | None, terms: str) -> set[_Row]:
    """Return what the index has for an active subscription with these columns, without its ID."""
    covered = [app_slug] if app_slug or apps is None else json.loads(apps)
    search_keys, rule_key = _keys(terms)
    return {(provider, slug, key, rule_key) for slug in covered for key in search_keys}


def _store(db: Connection, identity: int, rows: set[_Row]) -> None:
    query = "SELECT provider, app_slug, search_key, rule_key FROM apps_of WHERE subscription_id = ?"
    before = {tuple(row) for row in db.execute(query, [identity])}
    # Only what differs: access is checked again and again, and mostly nothing has changed.
    if gone := before - rows:
        db.executemany(
            "DELETE FROM apps_of WHERE provider = ? AND app_slug = ? AND search_key = ? AND rule_key = ?"
            " AND subscription_id = ?",
            [(*row, identity) for row in sorted(gone)],
        )
    if new := rows - before:
        db.executemany(
            "INSERT INTO apps_of (provider, app_slug, search_key, rule_key, subscription_id) VALUES (?, ?, ?, ?, ?)",
            [(*row, identity) for row in sorted(new)],
        )


def _people_by_name(db: Connection, names: Iterable[str]) -> dict[str, list[str]]:
    """Return the users of any workspace who have claimed a name or an address, by that."""
    people: dict[str, list[str]] = {}
    for chunk in _chunks(sorted(names)):
        marks = ", ".join("?" * len(chunk))
        query = (
            f"SELECT name, user_id FROM people WHERE name IN ({marks})"
            f" UNION SELECT email, user_id FROM people WHERE email IN ({marks})"
        )
        for name, user in db.execute(query, [*chunk, *chunk]):
            people.setdefault(name, []).append(user)
    return people


def _subscriptions(db: Connection, provider: Provider, rules: Sequence[tuple[str, str, str]]) -> set[int]:
    """Return the subscriptions with these apps, search keys and rule keys."""
    found = set()
    for chunk in _chunks(rules):
        marks = ", ".join(["(?, ?, ?)"] * len(chunk))
        rows = db.execute(
            f"WITH wanted (app_slug, search_key, rule_key) AS (VALUES {marks})"
            " SELECT apps_of.subscription_id FROM wanted JOIN apps_of ON apps_of.provider = ?"
            " AND apps_of.app_slug = wanted.app_slug AND apps_of.search_key = wanted.search_key"
            " AND apps_of.rule_key = wanted.rule_key",
            [*(value for rule in chunk for value in rule), provider],
        )
        found |= {identity for (identity,) in rows}
    return found


def _chunks(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))


def _rules(
    db: Connection, provider: Provider, sought: Sequence[tuple[str, str]]
) -> Iterator[tuple[str, str, str, str]]:
    """Yield the different rules of subscriptions with these apps and search keys, each with the terms of one of them.

    The index is not read through: each step goes to the next rule (sqlite.org, "WITH clause", recursive queries).
    """
    group = "apps_of.provider = ? AND apps_of.app_slug = {0}.app_slug AND apps_of.search_key = {0}.search_key"
    for pairs in _chunks(sought):
        marks = ", ".join(["(?, ?)"] * len(pairs))
        yield from db.execute(
            f"WITH RECURSIVE sought (app_slug, search_key) AS (VALUES {marks}),"
            " found (app_slug, search_key, rule_key) AS ("
            " SELECT sought.app_slug, sought.search_key,"
            f"  (SELECT MIN(apps_of.rule_key) FROM apps_of WHERE {group.format('sought')}) FROM sought"
            " UNION ALL"
            " SELECT found.app_slug, found.search_key,"
            f"  (SELECT MIN(apps_of.rule_key) FROM apps_of WHERE {group.format('found')}"
            "   AND apps_of.rule_key > found.rule_key) FROM found WHERE found.rule_key IS NOT NULL)"
            " SELECT found.app_slug, found.search_key, found.rule_key,"
            "  (SELECT subscriptions.terms FROM subscriptions WHERE subscriptions.id ="
            f"   (SELECT MIN(apps_of.subscription_id) FROM apps_of WHERE {group.format('found')}"
            "     AND apps_of.rule_key = found.rule_key))"
            " FROM found WHERE found.rule_key IS NOT NULL",
            [*(value for pair in pairs for value in pair), provider, provider, provider],
        ).fetchall()
