"""The texts of a build's card and of the abort modal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from domain.abort_kind import read_abort
from domain.build import BuildState, usual_time
from messages import build_card, build_text
from messages.kit.button_values import BuildButton, InvalidButtonValue
from messages.kit.mrkdwn import clock_time, when
from messages.kit.views import FormValues
from providers.bitrise.builds import abort_form
from providers.bitrise.builds.abort_form import SUGGESTIONS
from tests.support.factories import ANDROID, NOON, make_build
from tests.support.presentations import AT_BITRISE


@pytest.mark.parametrize(
    ("reason", "who", "why"),
    [
        (
            "User api-demo requested to abort this build with reason: canceled through the API",
            "api-demo",
            "canceled through the API",
        ),
        ("User X requested to abort this build.", "X", None),
        ("User two words requested to abort this build with reason: a\nb", "two words", "a\nb"),
        ("Automatically aborted via Rolling Builds.", None, "Automatically aborted via Rolling Builds."),
        (None, None, None),
    ],
)
def test_the_abort_author_and_reason_are_parsed_from_bitrises_sentence(
    reason: str | None, who: str | None, why: str | None
) -> None:
    abort = read_abort(reason)
    assert (abort.who, abort.why) == (who, why)


def test_a_build_that_was_not_aborted_has_no_abort_text() -> None:
    assert build_text.abort_text(make_build(1, BuildState.FAILED)) is None


@pytest.mark.parametrize(
    ("triggered_by", "expected"),
    [
        ("manual-api-demo", "api-demo (manually)"),
        ("webhook-github/octo-cat", "octo-cat (github)"),
        ("webhook", "a push or pull request"),
        ("schedule", "a schedule"),
        ("curl", "curl"),
        (None, None),
    ],
)
def test_triggered_by_is_shown_as_who_or_what_started_the_build(
    triggered_by: str | None, expected: str | None
) -> None:
    assert build_text.starter_text(triggered_by) == expected


@pytest.mark.parametrize("state", list(BuildState))
def test_a_result_is_shown_in_words_beside_its_symbol(state: BuildState) -> None:
    build = make_build(1, state)
    message = build_card.build_card(build, ANDROID, presentation=AT_BITRISE, now=NOON)
    assert build_text.result_text(build) in message.text
    assert build_text.result_text(build) in message.blocks[0]["text"]["text"]


def test_a_running_build_shows_how_long_it_has_been_building() -> None:
    build = make_build(0, BuildState.RUNNING)
    message = build_card.build_card(build, ANDROID, presentation=AT_BITRISE, now=NOON + timedelta(minutes=5))
    assert "building for 3m" in message.blocks[0]["text"]["text"]


def test_progress_is_shown_against_the_usual_duration_in_words_and_as_a_bar() -> None:
    build, usual = make_build(0, BuildState.RUNNING), timedelta(minutes=7, seconds=10)
    message = build_card.build_card(
        build,
        ANDROID,
        presentation=AT_BITRISE,
        now=NOON + timedelta(minutes=4, seconds=30),
        usual_duration=usual,
    )
    text = message.blocks[0]["text"]["text"]
    assert f"*is running* · since {when(NOON + timedelta(minutes=1))}\n" in text
    as_of = clock_time(NOON + timedelta(minutes=4, seconds=30))
    assert f"\n▰▰▰▰▱▱▱▱▱▱ running for 3m 30s, usually takes 7m, as of {as_of}\n" in text
    assert f"Running for 3m 30s, usually takes 7m, as of {as_of}." in message.text
    assert "▰" not in message.text


def test_a_build_that_takes_much_longer_than_usual_says_so() -> None:
    late = NOON + timedelta(minutes=31)
    message = build_card.build_card(
        make_build(0, BuildState.RUNNING),
        ANDROID,
        presentation=AT_BITRISE,
        now=late,
        usual_duration=timedelta(minutes=10),
    )
    assert "Running for 30m, longer than the usual 10m" in message.text


def test_the_usual_duration_is_the_median_of_at_least_two_successes() -> None:
    quick = make_build(1, finished_at=NOON + timedelta(minutes=4))
    assert usual_time([quick, make_build(2, BuildState.FAILED), make_build(3, BuildState.ABORTED)]) is None
    assert usual_time([quick, make_build(2), make_build(3)]) == timedelta(minutes=5)


def test_the_build_number_is_shown_as_code_to_copy() -> None:
    assert "`#7`" in str(
        build_card.build_card(make_build(7), ANDROID, presentation=AT_BITRISE, now=NOON).blocks
    )


def test_an_ended_build_in_an_unknown_state_offers_no_abort() -> None:
    build = make_build(1, BuildState.UNKNOWN, finished_at=NOON)
    assert "build_abort" not in str(
        build_card.build_card(build, ANDROID, presentation=AT_BITRISE, now=NOON).blocks
    )
    assert (
        "finished with an unknown result"
        in build_card.build_card(build, ANDROID, presentation=AT_BITRISE, now=NOON).text
    )


def test_the_text_alone_says_everything_that_matters() -> None:
    build = make_build(19, BuildState.FAILED, commit_message="Fix login\n\nmore", pull_request=3)
    text = build_card.build_card(build, ANDROID, presentation=AT_BITRISE, now=NOON).text
    assert text == (
        "sample-apps-android-sdk22 #19 failed on main (primary). Fix login"
        " Took 1m on hold, 1m preparing, 4m building."
    )


def test_a_button_value_names_its_build_and_is_validated_when_it_returns() -> None:
    button = BuildButton.of(make_build(3), ANDROID)
    assert BuildButton.decode(button.encode()) == button
    for value in (
        "",
        "null",
        "{}",
        '{"app": "../me", "build": "x"}',
        '{"app": "a/b", "build": "x"}',
        "x" * 5000,
    ):
        with pytest.raises(InvalidButtonValue):
            BuildButton.decode(value)


def abort_form_state(
    suggestion: str | None = None, reason: str | None = None, options: tuple[str, ...] = ()
) -> FormValues:
    chosen = {"value": suggestion, "text": {"type": "plain_text", "text": suggestion}} if suggestion else None
    picked: Any = [{"value": option} for option in options]
    values: Any = {
        "suggestion": {"suggestion": {"type": "static_select", "selected_option": chosen}},
        "reason": {"reason": {"type": "plain_text_input", "value": reason}},
        "options": {"options": {"type": "checkboxes", "selected_options": picked}},
    }
    return FormValues(values)


def test_the_abort_reason_is_the_suggestion_the_typed_text_or_both() -> None:
    first = SUGGESTIONS[0]
    assert abort_form.read_abort(abort_form_state()).reason is None
    assert abort_form.read_abort(abort_form_state(first)).reason == first
    assert abort_form.read_abort(abort_form_state(reason=" my\nwords ")).reason == "my words"
    assert abort_form.read_abort(abort_form_state(first, "mine")).reason == f"{first}: mine"
    assert abort_form.read_abort(abort_form_state("not offered", "mine")).reason == "mine"


def test_abort_options_are_read_and_an_invalid_state_sets_none() -> None:
    order = abort_form.read_abort(
        abort_form_state(options=("with_success", "skip_git_status_report", "reason"))
    )
    assert (order.with_success, order.skip_notifications, order.skip_git_status_report) == (True, False, True)
    assert abort_form.read_abort(FormValues({})).reason is None
