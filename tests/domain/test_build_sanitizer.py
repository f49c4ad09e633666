"""Builds are sanitized and counted in streaks together with the same result as one by one."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.build import Build, BuildState, PipelineRef
from domain.build_sanitizer import LONGEST_KEPT, sanitize_builds
from domain.failure_streak import StreakState
from domain.redaction.redactor import redact
from storage.sqlite_database import SqliteDatabase
from storage.watched_builds import advance_streaks
from tests.domain.redaction.corpus.loader import harmless_lines, secret_lines
from tests.support.factories import ANDROID, IOS, make_build

TEXTS = (
    st.none()
    | st.sampled_from(["main", "webhook-github/octo", "", "x" * (LONGEST_KEPT + 9), "word " * LONGEST_KEPT])
    | st.sampled_from([line.text for line in secret_lines()])
    | st.sampled_from(harmless_lines())
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "branch": TEXTS,
    "commit_message": TEXTS,
    "triggered_by": TEXTS,
    "params": st.none()
    | st.just({})
    | st.builds(lambda text: {"pull_request_author": text, "key": "x"}, TEXTS),
    "pipeline": st.none() | st.builds(PipelineRef, id=TEXTS.map(str)),
}


@settings(max_examples=40)
@given(st.lists(st.fixed_dictionaries(FIELDS), max_size=6))
def test_sanitizing_builds_together_gives_the_same_as_one_by_one(
    fields_of_builds: list[dict[str, Any]],
) -> None:
    builds = [make_build(number, **fields) for number, fields in enumerate(fields_of_builds)]
    together = sanitize_builds(builds)
    assert together == [sanitized for build in builds for sanitized in sanitize_builds([build])]
    for build, sanitized in zip(builds, together, strict=True):
        for name in ("branch", "commit_message", "triggered_by"):
            text = getattr(build, name)
            if text is not None and len(text) <= LONGEST_KEPT:
                assert getattr(sanitized, name) == redact(text)


def test_no_secret_of_a_build_is_stored_among_harmless_ones() -> None:
    lines = list(secret_lines())
    builds = [make_build(2 * number, commit_message=line.text) for number, line in enumerate(lines)]
    others = [make_build(2 * number + 1, commit_message=line) for number, line in enumerate(harmless_lines())]
    sanitized = sanitize_builds([*builds, *others])
    for line, build in zip(lines, sanitized, strict=False):
        assert build.commit_message == redact(line.text), line.template


async def test_streaks_are_the_same_in_one_transaction_as_in_many(tmp_path: Path) -> None:
    generator = Random(1)
    states = (BuildState.SUCCEEDED, BuildState.FAILED, BuildState.FAILED, BuildState.ABORTED)

    def make_ended_builds(app: Any) -> list[Build]:
        return [
            make_build(
                number if number % 5 else number - 3,
                state,
                app=app,
                branch=branch,
                slug=f"build{number}",
                url="https://app.bitrise.io/build/x",
            )
            for number, (state, branch) in enumerate(random_ends)
        ]

    random_ends = [(generator.choice(states), generator.choice(["main", "release"])) for _ in range(60)]
    database = await SqliteDatabase.open(tmp_path / "buildbell.db")
    together = await database.write(lambda db: advance_streaks(db, make_ended_builds(ANDROID)))
    one_by_one: dict[str, StreakState] = {}
    for build in make_ended_builds(IOS):
        one_by_one |= await database.write(lambda db, build=build: advance_streaks(db, [build]))  # type: ignore[misc]
    assert together == one_by_one
    rows = await database.read(
        lambda db: db.execute("SELECT app_slug, branch, body FROM series ORDER BY branch").fetchall()
    )
    await database.close()
    bodies = {
        slug: [(branch, body) for app, branch, body in rows if app == slug]
        for slug in (ANDROID.slug, IOS.slug)
    }
    assert bodies[ANDROID.slug] == bodies[IOS.slug]
    assert len(bodies[IOS.slug]) == 2
