"""The differences between a build and the last success."""

from __future__ import annotations

from datetime import timedelta

from domain.build import App, BuildState
from domain.build_diff import compare_builds
from domain.log.log_parser import Step, StepResult
from tests.support.factories import ANDROID, NOON, make_build

GITHUB = App(**(ANDROID.model_dump() | {"repo_url": "https://github.com/bitrise-samples/android.git"}))


def make_step(title: str, seconds: float | None = 10, result: StepResult = StepResult.SUCCEEDED) -> Step:
    return Step(number=1, title=title, result=result, took=timedelta(seconds=seconds) if seconds else None)


def test_steps_that_failed_are_new_or_took_much_longer_are_listed() -> None:
    then = [make_step("clone@8.4"), make_step("cache", 30), make_step("test", 60), make_step("lint", 5)]
    now = [
        make_step("clone@8.5"),
        make_step("cache", 90),
        make_step("secrets"),
        make_step("test", 62, StepResult.FAILED),
    ]
    found = compare_builds(
        ANDROID, make_build(2, BuildState.FAILED), make_build(1), steps=now, success_steps=then
    )
    # `lint` is missing because of the failure, so it is not listed.
    assert [(change.title, change.then is None) for change in found.steps] == [
        ("clone@8.5", False),
        ("cache", False),
        ("secrets", True),
        ("test", False),
    ]
    assert compare_builds(ANDROID, make_build(2), make_build(1), steps=then, success_steps=then).steps == ()
    missing = compare_builds(ANDROID, make_build(2), make_build(1), steps=then[:1], success_steps=then).steps
    assert [change.title for change in missing if change.now is None] == ["cache", "test", "lint"]


def test_changed_parameters_are_named_without_their_values() -> None:
    then = make_build(
        1, params={"branch": "main", "commit_hash": "a", "environments": [{"key": "A", "value": "1"}]}
    )
    now = make_build(
        2,
        params={
            "branch": "main",
            "commit_hash": "b",
            "tag": "v1",
            "environments": [
                {"mapped_to": "A", "value": "topsecret"},
                {"key": "B", "value": "2"},
                {"key": "BUILDBELL_STARTED_BY", "value": "U1"},
                "nonsense",
            ],
        },
    )
    found = compare_builds(ANDROID, now, then)
    assert found.params == ("tag", "variable A", "variable B")


def test_the_diff_links_the_commits_at_github_and_says_how_much_longer_it_took() -> None:
    then = make_build(1, commit_hash="aaa")
    now = make_build(2, BuildState.FAILED, commit_hash="bbb", finished_at=NOON + timedelta(minutes=10))
    found = compare_builds(GITHUB, now, then)
    assert found.commits == "https://github.com/bitrise-samples/android/compare/aaa...bbb"
    assert found.slower_by == timedelta(minutes=2)
    assert compare_builds(ANDROID, now, then).commits is None
    assert compare_builds(GITHUB, now, make_build(1, commit_hash="bbb")).commits is None
