"""Which moments terms ask for, when they are told, and how the words for them read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from domain.build import Build, BuildState
from domain.commands.errors import CommandError
from domain.commands.formatting import describe_rule, format_rule
from domain.commands.shared_commands import Subscribe
from domain.failure_streak import StreakPosition, StreakState
from domain.notifications.evaluation import evaluate
from domain.notifications.rule import BuildEvent, NotificationRule
from domain.notifications.scheduling import delivery_time
from tests.support.commands import parse
from tests.support.factories import NOON, make_build


def make_rule(words: str) -> NotificationRule:
    ask = parse(f"subscribe {words}", surface="slash")
    assert isinstance(ask, Subscribe)
    return ask.terms


def ends(state: BuildState, position: StreakPosition) -> tuple[Build, StreakState]:
    return make_build(1, state), StreakState(position=position, red=None)


BROKEN = ends(BuildState.FAILED, StreakPosition.BROKEN)
STILL_FAILING = ends(BuildState.FAILED, StreakPosition.STILL_FAILING)
FIXED = ends(BuildState.SUCCEEDED, StreakPosition.FIXED)
PASSING = ends(BuildState.SUCCEEDED, StreakPosition.STILL_PASSING)
ABORTED = ends(BuildState.ABORTED, StreakPosition.NOT_COUNTED)
ENDS = (BROKEN, STILL_FAILING, FIXED, PASSING, ABORTED)


@pytest.mark.parametrize(
    ("words", "told"),
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
def test_an_end_is_told_exactly_as_its_name_says(words: str, told: list[bool]) -> None:
    terms = make_rule(words)
    assert [
        evaluate(terms, BuildEvent.ENDED, build, standing).should_notify for build, standing in ENDS
    ] == told


@pytest.mark.parametrize(
    ("words", "told"),
    [("", True), ("status:failed", True), ("status:broken,fixed", True), ("status:success,aborted", False)],
)
def test_an_end_of_a_new_kind_is_told_to_those_who_wait_for_failures(words: str, *, told: bool) -> None:
    build = make_build(1, BuildState.UNKNOWN, finished_at=NOON)
    verdict = evaluate(
        make_rule(words), BuildEvent.ENDED, build, StreakState(position=StreakPosition.NOT_COUNTED, red=None)
    )
    assert verdict.should_notify == told


def test_why_an_end_was_not_told_is_said_in_words() -> None:
    assert evaluate(make_rule("status:broken"), BuildEvent.ENDED, *STILL_FAILING).why == (
        "the series was failing before, and only broken is asked for"
    )
    assert evaluate(make_rule("status:failed"), BuildEvent.ENDED, *PASSING).why == (
        "its result is succeeded, and only failed is asked for"
    )


def test_starts_and_waits_are_told_only_where_they_are_asked_for() -> None:
    running = make_build(1, BuildState.RUNNING)
    assert evaluate(make_rule("status:started"), BuildEvent.STARTED, running, None).should_notify
    assert not evaluate(make_rule("status:failed"), BuildEvent.STARTED, running, None).should_notify
    assert evaluate(make_rule("style:live"), BuildEvent.PROGRESSED, running, None).should_notify
    assert evaluate(make_rule("running:1h"), BuildEvent.RUNNING_TOO_LONG, running, None).should_notify
    assert not evaluate(make_rule("running:1h"), BuildEvent.ON_HOLD_TOO_LONG, running, None).should_notify


def test_a_filter_on_kinds_of_aborts_hides_no_start() -> None:
    terms = make_rule("style:live aborted:manual")
    assert evaluate(terms, BuildEvent.STARTED, make_build(1, BuildState.RUNNING), None).should_notify
    ended = make_build(1, BuildState.ABORTED, abort_kind="no-changes")
    assert evaluate(terms, BuildEvent.ENDED, ended, None).should_notify, (
        "a live message must not say for ever that it runs"
    )
    assert not evaluate(make_rule("aborted:manual"), BuildEvent.ENDED, ended, None).should_notify


@pytest.mark.parametrize(
    ("words", "now", "due"),
    [
        ("", "2026-11-21T12:00", None),
        ("style:daily at:9:00 zone:UTC", "2026-11-21T12:00", "2026-11-22T09:00"),
        ("style:daily at:9:00 zone:UTC", "2026-11-21T08:59", "2026-11-21T09:00"),
        ("style:daily at:9:00 zone:Europe/Berlin", "2026-11-21T07:59", "2026-11-21T08:00"),
        # the night in which summer time ends: nine o'clock is still what people read
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
def test_what_waits_is_due_at_the_hour_that_people_read(words: str, now: str, due: str | None) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    expected = datetime.fromisoformat(due).replace(tzinfo=UTC) if due else None
    assert delivery_time(make_rule(words), at) == expected


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("", "every build's end in Android"),
        ("status:failed", "every failure in Android"),
        (
            "status:broken,fixed branch:main",
            "the first failure of a series and the first success after failures in Android on branch main (not tags, whose builds have no branch)",
        ),
        (
            "-branch:dependabot/* -by:bot",
            "every build's end in Android, except on branch dependabot/*, except by bots",
        ),
        ("tag:v*", "every build's end in Android of tag v*"),
        ("running:90m status:failed", "every failure and every run of more than 90m in Android"),
        (
            "style:card",
            "what breaks, stays broken and is fixed in Android; one card a broken series, edited until it is green again",
        ),
        (
            "style:weekly on:fri at:17:00 zone:Europe/Berlin",
            "every build's end in Android; gathered into one message a week, on Friday at 17:00 (Europe/Berlin)",
        ),
        (
            "-aborted:no-changes,rolling-builds",
            "every build's end in Android, except aborts for the reason no-changes or rolling-builds",
        ),
    ],
)
def test_terms_are_explained_in_a_sentence(words: str, sentence: str) -> None:
    assert describe_rule(make_rule(words), "Android") == sentence


@pytest.mark.parametrize(
    "words",
    [
        "branch:main,release/* -branch:dependabot/* status:started,failed",
        "target:main -by:bot by:octo on-hold:15m running:2h",
        "style:weekly at:09:00 on:fri zone:Europe/Berlin",
        "tag:v* -aborted:no-changes quiet:22:00-07:00 zone:UTC",
        "style:thread broadcast:yes",
    ],
)
def test_terms_are_typed_as_they_are_shown(words: str) -> None:
    assert make_rule(format_rule(make_rule(words))) == make_rule(words)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("style:card status:failed", "it goes without status:"),
        ("style:live status:started", "it goes without status:"),
        ("style:live quiet:22-7", "can't be held back"),
        ("broadcast:yes", "is for style:thread alone"),
        ("style:loud", "I know no style loud; there are each, live, card, thread, daily, weekly"),
        ("status:nope", "I can't tell of status nope"),
        ("running:soon", "running:soon is no length of time"),
        ("quiet:night", "quiet:night are no hours"),
        ("at:25:00", "at:25:00 is no time of day"),
        ("zone:Mars", "zone:Mars is no time zone that I know"),
        ("aborted:???", "is no kind of abort"),
        ("on:someday", "I know no day som"),
    ],
)
def test_terms_that_can_not_be_are_refused_in_words(words: str, problem: str) -> None:
    with pytest.raises(CommandError, match=problem.replace("?", r"\?")):
        make_rule(words)


def test_preview_is_a_word_of_its_own() -> None:
    ask = parse("subscribe android preview branch:main", surface="slash")
    assert ask == Subscribe(app="android", terms=make_rule("branch:main"), preview=True)
    assert timedelta(minutes=90) == make_rule("running:90m").running_over
