"""Notification rules: which events they ask for, when these are due, and how rules are formatted and described."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.build import Build, BuildState
from domain.commands.errors import CommandError
from domain.commands.notification_arguments import format_rule
from domain.commands.shared_commands import Subscribe
from domain.failure_streak import StreakPosition, StreakState
from domain.notifications.evaluation import evaluate
from domain.notifications.matching import delivery_time
from domain.notifications.rule import BuildEvent, NotificationRule, describe_rule
from tests.support.commands import parse
from tests.support.factories import NOON, make_build


def make_rule(options: str) -> NotificationRule:
    command = parse(f"subscribe {options}", surface="slash")
    assert isinstance(command, Subscribe)
    return command.terms


def make_end(state: BuildState, position: StreakPosition) -> tuple[Build, StreakState]:
    return make_build(1, state), StreakState(position=position, red=None)


BROKEN = make_end(BuildState.FAILED, StreakPosition.BROKEN)
STILL_FAILING = make_end(BuildState.FAILED, StreakPosition.STILL_FAILING)
FIXED = make_end(BuildState.SUCCEEDED, StreakPosition.FIXED)
PASSING = make_end(BuildState.SUCCEEDED, StreakPosition.STILL_PASSING)
ABORTED = make_end(BuildState.ABORTED, StreakPosition.NOT_COUNTED)
ENDS = (BROKEN, STILL_FAILING, FIXED, PASSING, ABORTED)


@pytest.mark.parametrize(
    ("options", "notified"),
    [
        ("", [True, True, True, True, True]),
        ("status:failed", [True, True, False, False, False]),
        ("status:broken", [True, False, False, False, False]),
        ("status:broken,fixed", [True, False, True, False, False]),
        ("status:still-failing", [False, True, False, False, False]),
        ("status:success", [False, False, True, True, False]),
        ("status:aborted", [False, False, False, False, True]),
        ("style:card", [True, True, True, False, False]),
    ],
)
def test_each_status_option_notifies_of_exactly_its_results(options: str, notified: list[bool]) -> None:
    rule = make_rule(options)
    assert [
        evaluate(rule, BuildEvent.ENDED, build, streak_state).should_notify for build, streak_state in ENDS
    ] == notified


@pytest.mark.parametrize(
    ("options", "notified"),
    [("", True), ("status:failed", True), ("status:broken,fixed", True), ("status:success,aborted", False)],
)
def test_an_unknown_result_is_notified_to_rules_that_ask_for_failures(
    options: str, *, notified: bool
) -> None:
    build = make_build(1, BuildState.UNKNOWN, finished_at=NOON)
    evaluation = evaluate(
        make_rule(options),
        BuildEvent.ENDED,
        build,
        StreakState(position=StreakPosition.NOT_COUNTED, red=None),
    )
    assert evaluation.should_notify == notified


def test_the_evaluation_explains_why_an_end_is_not_notified() -> None:
    assert evaluate(make_rule("status:broken"), BuildEvent.ENDED, *STILL_FAILING).why == "repeated failure"
    assert evaluate(make_rule("status:failed"), BuildEvent.ENDED, *PASSING).why == "passed"


def test_starts_and_long_waits_are_notified_only_if_requested() -> None:
    running = make_build(1, BuildState.RUNNING)
    assert evaluate(make_rule("status:started"), BuildEvent.STARTED, running, None).should_notify
    assert not evaluate(make_rule("status:failed"), BuildEvent.STARTED, running, None).should_notify
    assert evaluate(make_rule("style:live"), BuildEvent.PROGRESSED, running, None).should_notify
    assert evaluate(make_rule("running:1h"), BuildEvent.RUNNING_TOO_LONG, running, None).should_notify
    assert not evaluate(make_rule("running:1h"), BuildEvent.ON_HOLD_TOO_LONG, running, None).should_notify


def test_a_filter_on_abort_reasons_hides_no_start() -> None:
    rule = make_rule("style:live aborted:manual")
    assert evaluate(rule, BuildEvent.STARTED, make_build(1, BuildState.RUNNING), None).should_notify
    ended = make_build(1, BuildState.ABORTED, abort_kind="no-changes")
    assert evaluate(rule, BuildEvent.ENDED, ended, None).should_notify, (
        "a live message must not show a running build forever"
    )
    assert not evaluate(make_rule("aborted:manual"), BuildEvent.ENDED, ended, None).should_notify


@pytest.mark.parametrize(
    ("options", "now", "expected_due"),
    [
        ("", "2026-11-21T12:00", None),
        ("style:daily at:9:00 zone:UTC", "2026-11-21T12:00", "2026-11-22T09:00"),
        ("style:daily at:9:00 zone:UTC", "2026-11-21T08:59", "2026-11-21T09:00"),
        ("style:daily at:9:00 zone:Europe/Berlin", "2026-11-21T07:59", "2026-11-21T08:00"),
        # the night in which summer time ends: it is still due at nine o'clock local time
        ("style:daily at:9:00 zone:Europe/Berlin", "2026-10-24T12:00", "2026-10-25T08:00"),
        ("style:weekly on:mon at:9:00 zone:UTC", "2026-11-21T12:00", "2026-11-23T09:00"),
        ("style:weekly on:sat at:13:00 zone:UTC", "2026-11-21T12:00", "2026-11-21T13:00"),
        ("quiet:22:00-7:00 zone:UTC", "2026-11-21T23:30", "2026-11-22T07:00"),
        ("quiet:22:00-7:00 zone:UTC", "2026-11-22T06:59", "2026-11-22T07:00"),
        ("quiet:22:00-7:00 zone:UTC", "2026-11-22T07:00", None),
        ("quiet:12:00-13:00 zone:UTC", "2026-11-22T12:30", "2026-11-22T13:00"),
        ("quiet:12:00-13:00 zone:Asia/Tokyo", "2026-11-22T03:30", "2026-11-22T04:00"),
    ],
)
def test_digests_and_quiet_hours_follow_the_local_clock(
    options: str, now: str, expected_due: str | None
) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    expected = datetime.fromisoformat(expected_due).replace(tzinfo=UTC) if expected_due else None
    assert delivery_time(make_rule(options), at) == expected


@pytest.mark.parametrize(
    ("options", "description"),
    [
        ("", "Android: all finished builds"),
        ("status:failed", "Android: all failures"),
        (
            "status:broken,fixed branch:main",
            "Android: first failures and fixes on branch main",
        ),
        (
            "-branch:dependabot/* -by:bot",
            "Android: all finished builds, except on branch dependabot/*, except by bots",
        ),
        ("tag:v*", "Android: all finished builds for tag v*"),
        ("running:90m status:failed", "Android: all failures and builds running longer than 90m"),
        (
            "style:card",
            "Android: failures and fixes; one card per failure streak, updated until it is fixed",
        ),
        (
            "style:weekly on:fri at:17:00 zone:Europe/Berlin",
            "Android: all finished builds; weekly summary on Friday at 17:00 (Europe/Berlin)",
        ),
        (
            "-aborted:no-changes,rolling-builds",
            "Android: all finished builds, except abort reason no-changes or rolling-builds",
        ),
    ],
)
def test_a_rule_is_described_in_a_sentence(options: str, description: str) -> None:
    assert describe_rule(make_rule(options), "Android") == description


@pytest.mark.parametrize(
    "options",
    [
        "branch:main,release/* -branch:dependabot/* status:started,failed",
        "target:main -by:bot by:octo on-hold:15m running:2h",
        "style:weekly at:09:00 on:fri zone:Europe/Berlin",
        "tag:v* -aborted:no-changes quiet:22:00-07:00 zone:UTC",
        "style:thread broadcast:yes",
    ],
)
def test_a_formatted_rule_can_be_typed_again(options: str) -> None:
    assert make_rule(format_rule(make_rule(options))) == make_rule(options)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("style:card status:failed", "can't be combined with `status:`"),
        ("style:live status:started", "can't be combined with `status:`"),
        ("style:live quiet:22-7", "can't wait for `quiet:` hours"),
        ("broadcast:yes", "is only for `style:thread`"),
        ("style:loud", "Unknown style `loud`. Use each, live, card, thread, daily, weekly"),
        ("status:nope", "Unknown status `nope`"),
        ("running:soon", "`running:soon` isn't a valid duration"),
        ("quiet:night", "`quiet:night` isn't valid"),
        (
            "quiet:25:00-7:00",
            "isn't a valid time of day. Write it as 9:00. For example: `/bitrise subscribe quiet:22:00-7:00`",
        ),
        ("at:25:00", "`at:25:00` isn't a valid time of day"),
        ("zone:Mars", "`zone:Mars` isn't a known time zone"),
        ("aborted:???", "isn't a valid abort reason"),
        ("on:someday", "Unknown day `someday`. Use mon, tue"),
    ],
)
def test_contradictory_options_are_rejected_with_an_explanation(options: str, problem: str) -> None:
    with pytest.raises(CommandError, match=problem.replace("?", r"\?")):
        make_rule(options)


def test_preview_is_a_separate_word() -> None:
    command = parse("subscribe android preview branch:main", surface="slash")
    assert command == Subscribe(app="android", terms=make_rule("branch:main"), preview=True)
    assert timedelta(minutes=90) == make_rule("running:90m").running_over
