"""Series of builds as they stand: for use inside a transaction."""

from __future__ import annotations

from collections.abc import Iterable

import sqlite_utils

from bot.build import Build
from bot.series import Series, Standing, advance, key_of


def advance_series(db: sqlite_utils.Database, builds: Iterable[Build]) -> dict[str, Standing]:
    """Carry the builds' series on by these ends, in this order; returns each build's place by its slug."""
    standings: dict[str, Standing] = {}
    for build in builds:
        workflow, branch = key_of(build)
        key = [build.provider, build.app_slug, workflow, branch]
        row = db.execute(
            "SELECT body FROM series WHERE provider = ? AND app_slug = ? AND workflow = ? AND branch = ?", key
        ).fetchone()
        before = Series.model_validate_json(row[0]) if row else Series()
        after, standings[build.slug] = advance(before, build)
        if after != before:
            db.execute(
                "INSERT OR REPLACE INTO series VALUES (?, ?, ?, ?, ?)",
                [*key, after.model_dump_json(exclude_none=True)],
            )
    return standings
