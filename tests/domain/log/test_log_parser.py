"""Streaming parser of a log, in any pieces."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.control_characters import plain_text
from domain.log.log_parser import KEPT_LINES, LogParser, ParsedLog, StepResult
from domain.log.log_text import LONGEST_LINE, Redactor, log_text, strip_control_codes
from providers.bitrise.api.build_summary import parse_ai_summary, parse_steps
from sandbox.bitrise.log_text import render_log

STARTED_AT = datetime(2026, 11, 21, tzinfo=UTC)
FAILED = render_log("primary", "main", STARTED_AT, share=1.0, result="error").encode()
PASSED = render_log("primary", "main", STARTED_AT, share=1.0, result="success").encode()


def parse_log(*chunks: bytes, step: int | None = None, word: str | None = None) -> ParsedLog:
    parser = LogParser(clean=plain_text, shown=strip_control_codes, step=step, word=word)
    for chunk in chunks:
        parser.feed(chunk)
    return parser.finish()


def test_steps_results_times_and_the_end_of_the_failed_step_are_parsed() -> None:
    found = parse_log(FAILED)
    assert [(step.title, step.result) for step in found.steps] == [
        ("activate-ssh-key@4.1.1", StepResult.SUCCEEDED),
        ("git-clone@8.4.0", StepResult.SUCCEEDED),
        ("gradle-unit-test@1.0.7", StepResult.FAILED),
    ]
    assert found.steps[0].took == timedelta(seconds=27.4)
    assert found.of == "gradle-unit-test@1.0.7"
    assert "118 tests completed, 1 failed" in log_text(found.end)
    assert "SSH key" not in log_text(found.end)


def test_the_end_of_the_requested_step_or_else_of_the_whole_log_is_returned() -> None:
    assert "SSH key is added" in log_text(parse_log(FAILED, step=1).end)
    assert parse_log(FAILED, step=9).end == ()
    whole = parse_log(PASSED)
    assert whole.of is None or whole.of == "deploy-to-bitrise-io@2.10.0"
    assert len(whole.steps) == 4
    growing = parse_log(render_log("primary", "main", STARTED_AT, share=0.4, result=None).encode())
    assert growing.steps[-1].result in (StepResult.RUNNING, StepResult.SUCCEEDED)
    assert growing.end


def test_a_word_is_found_with_its_line_and_step_in_any_case() -> None:
    found = parse_log(FAILED, word="FAILURE: build")
    [hit] = found.hits
    assert hit.step == "gradle-unit-test@1.0.7"
    assert hit.text == "FAILURE: Build failed with an exception."
    assert FAILED.split(b"\n")[hit.line - 1].endswith(b"FAILURE: Build failed with an exception.\x1b[0m")
    many = parse_log(b"error\n" * 100, word="error")
    assert (many.hit_count, len(many.hits), many.lines) == (100, 15, 100)
    assert parse_log(b"error\n" * 5000, word="error").hit_count == 1000
    assert parse_log("Prüfung\nPRÜFUNG".encode(), word="prÜfung").hit_count == 2
    assert parse_log(b"\x1b[31mred\x1b[0m", word="31m").hit_count == 0


@pytest.mark.parametrize("guess", ["hunter", "hunter2hunter", "PASSWORD=h"])
def test_a_secret_can_not_be_guessed_by_searching_for_its_letters(guess: str) -> None:
    secret = b"export DB_PASSWORD=hunter2hunter2\n"
    assert parse_log(secret, word=guess).hit_count == 0
    [hit] = parse_log(secret, word="db_password").hits
    assert "hunter" not in hit.text


@given(st.data())
def test_the_result_does_not_depend_on_how_the_log_is_cut_into_pieces(data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(FAILED)), max_size=12)))
    pieces = [FAILED[a:b] for a, b in zip([0, *cuts], [*cuts, len(FAILED)], strict=True)]
    step = data.draw(st.none() | st.integers(1, 4))
    assert parse_log(*pieces, step=step, word="test") == parse_log(FAILED, step=step, word="test")
    redactor = Redactor()
    redacted = b"".join(redactor.feed(piece) for piece in pieces) + redactor.finish()
    whole = Redactor()
    assert redacted == whole.feed(FAILED) + whole.finish()


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_memory_is_bounded_for_any_input(chunks: list[bytes]) -> None:
    found = parse_log(*(chunk * 50 for chunk in chunks), word="a")
    assert len(found.end) <= KEPT_LINES
    assert all(len(line) <= LONGEST_LINE + 10_000 for line in found.end)
    log_text(found.end)


KEY = (
    b"-----BEGIN RSA PRIVATE KEY-----\n"
    + b"c2VjcmV0LWtleS1tYXRlcmlhbA==\n" * 100
    + b"-----END RSA PRIVATE KEY-----\n"
)


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_a_private_key_is_redacted_completely_wherever_it_is_cut(size: int) -> None:
    log = b"before\n" + KEY + b"after\n"
    pieces = [log[at : at + size] for at in range(0, len(log), size)]
    redactor = Redactor()
    written = b"".join(redactor.feed(piece) for piece in pieces) + redactor.finish()
    assert written == b"before\n[redacted]\n[redacted]\nafter\n"
    assert "c2Vj" not in log_text(parse_log(*pieces).end)
    assert parse_log(*pieces, word="c2Vj").hit_count == 0
    # The end of a log that begins in the middle of a key.
    assert "c2Vj" not in log_text(parse_log(log[: len(log) // 2]).end)


def test_a_key_on_one_line_or_without_an_end_does_not_hide_the_lines_after_it() -> None:
    for key in (KEY.strip().replace(b"\n", b"\\n"), b"-----BEGIN RSA PRIVATE KEY----- was expected"):
        found = parse_log(b'{"private_key": "' + key + b'"}\n' + FAILED, word="completed")
        assert [step.title for step in found.steps][-1] == "gradle-unit-test@1.0.7"
        assert found.hit_count == 1
        assert "c2Vj" not in log_text(parse_log(key + b"\nafter").end)


def test_a_value_whose_secret_name_is_on_the_line_before_can_not_be_guessed() -> None:
    log = b"=> DB_PASSWORD\n   value: hunter2hunter2\n=> BRANCH\n   value: hunter-season\n"
    assert parse_log(log, word="hunter2").hit_count == 0
    [hit] = parse_log(log, word="hunter").hits
    assert hit.text == "   value: hunter-season"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"data": {"summary": " It broke. "}}', "It broke."),
        (b'{"message": "It broke."}', "It broke."),
        (b'{"data": {"ai_summary": {"text": "It broke."}}}', "It broke."),
        (b'{"data": {"id": 1}}', None),
        (b'{"data": ""}', None),
        (b"[]", None),
        (b"<html>", None),
    ],
)
def test_an_ai_summary_is_found_in_any_known_field(body: bytes, words: str | None) -> None:
    assert parse_ai_summary(body) == words


def test_unreadable_steps_are_ignored() -> None:
    assert parse_steps(b'{"execution": {"workflows": [{"steps": [{"title": 7}, {}]}, {"steps": "?"}]}}')
    for body in (b"", b"[]", b'{"execution": []}', b'{"execution": {"workflows": null}}'):
        assert parse_steps(body) == ()
