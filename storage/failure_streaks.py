"""Failure streaks of workflows and branches. For use inside a transaction."""

from __future__ import annotations

from collections.abc import Iterable

import sqlite_utils

from domain.build import Build
from domain.failure_streak import Streak, StreakState, advance, streak_key

_Key = tuple[str, str, str, str]


def advance_streaks(db: sqlite_utils.Database, builds: Iterable[Build]) -> dict[str, StreakState]:
    """Advance the streaks by these ended builds, in this order. Returns each build's state by its slug."""
    keyed_builds = [(_key(build), build) for build in builds]
    before = {key: _read(db, key) for key in dict.fromkeys(key for key, _ in keyed_builds)}
    after, states = dict(before), dict[str, StreakState]()
    for key, build in keyed_builds:
        after[key], states[build.slug] = advance(after[key], build)
    db.conn.executemany(
        "INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?, ?)",
        [
            (*key, streak.model_dump_json(exclude_none=True))
            for key, streak in after.items()
            if streak != before[key]
        ],
    )
    return states


def _key(build: Build) -> _Key:
    return (build.provider, build.app_slug, *streak_key(build))


def _read(db: sqlite_utils.Database, key: _Key) -> Streak:
    query = "SELECT body FROM series WHERE provider = ? AND app_slug = ? AND workflow = ? AND branch = ?"
    row = db.execute(query, key).fetchone()
    return Streak.model_validate_json(row[0]) if row else Streak()
