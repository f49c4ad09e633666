"""Lines that are too long are cut without showing part of a secret: in the file, at the log's end, in a search."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.control_characters import plain_text
from domain.log.failure import find_failure
from domain.log.log_parser import KEPT_BYTES, LogParser, ParsedLog
from domain.log.log_text import LONGEST_LINE, SEAM, LineCutter, Redactor, log_text, strip_control_codes
from domain.redaction.redactor import (
    drop_first_word,
    redact,
    redact_beginning,
    redact_values,
    truncate_at_word,
)
from messages.kit.mrkdwn import plain
from tests.domain.redaction.corpus.loader import Line, secret_lines
from tests.support.examples import examples

# One line each, so that they can be anywhere within a longer one.
ANNOUNCED = [
    line
    for line in secret_lines()
    if "\n" not in line.text
    and not line.seen_in(redact(f"more words {line.text} and more"))
    and not line.seen_in(redact(line.text))
]
BEFORE = [
    "word ",
    "a,b;",
    '{"a": "b"}, ',
    "........",
    "=",
    "ü",
    "…",
    "AbC9/+",
    "\x1b[32mok\x1b[0m ",
    "\rat 10%",
    "x ",
]
AFTER = [" needle", " needle more words", " needle " + "x y " * 3000]


def fill(piece: str, length: int) -> bytes:
    return (piece.encode() * (length // len(piece.encode()) + 1))[:length]


def parse_log(log: bytes, size: int, word: str | None = None) -> ParsedLog:
    parser = LogParser(clean=plain_text, shown=strip_control_codes, word=word)
    for at in range(0, len(log), size):
        parser.feed(log[at : at + size])
    return parser.finish()


def redact_log(log: bytes, size: int) -> str:
    redactor = Redactor()
    pieces = [redactor.feed(log[at : at + size]) for at in range(0, len(log), size)]
    return (b"".join(pieces) + redactor.finish()).decode("utf-8", "replace")


def test_there_are_enough_secrets_to_cut_through() -> None:
    assert len(ANNOUNCED) > 200


@examples(40)
@given(
    line=st.sampled_from(ANNOUNCED),
    before=st.sampled_from(BEFORE),
    separator=st.sampled_from(["", " ", "\t", ", "]),
    after=st.sampled_from(AFTER),
    within=st.integers(-100, 400),
    size=st.sampled_from([300, 512, 1000, 4096, 8192, 65536, 70_000, 10**6]),
)
def test_a_secret_near_the_cut_is_never_shown_in_part(
    line: Line, before: str, separator: str, after: str, within: int, size: int
) -> None:
    start = fill(before, LONGEST_LINE - within - len(separator)) + separator.encode()
    log = b"first\n" + start + line.text.encode() + after.encode() + b"\nlast\n"
    if line.seen_in(redact(plain_text(log.decode("utf-8", "replace")))):
        return  # The text before the secret prevents its detection even without a cut.
    assert not line.seen_in(redact_log(log, size))
    assert not line.seen_in(log_text(parse_log(log, size).end))
    found = parse_log(log, size, word="needle")
    assert not [hit for hit in found.hits if line.seen_in(hit.text)]


@examples(15)
@given(
    line=st.sampled_from(ANNOUNCED),
    before=st.sampled_from(BEFORE),
    within=st.integers(0, 300),
    sizes=st.tuples(st.integers(700, 5000), st.integers(5001, 200_000)),
)
def test_the_result_for_a_long_line_does_not_depend_on_its_pieces(
    line: Line, before: str, within: int, sizes: tuple[int, int]
) -> None:
    log = (
        fill(before, 2 * LONGEST_LINE - within) + line.text.encode() + fill(before, LONGEST_LINE) + b"\nlast"
    )
    small, large = sizes
    assert redact_log(log, small) == redact_log(log, large)
    assert parse_log(log, small, word="o") == parse_log(log, large, word="o")


@pytest.mark.parametrize("size", [61, 512, 8192, 10**6])
@pytest.mark.parametrize("at", [10, 20, 30])
def test_a_token_after_a_bar_of_dots_is_not_shown_in_part(at: int, size: int) -> None:
    token = "ghp_9xKq2LmN7vRt4WzYb8Hc1Jd5Fg6Ts3Pq0Ua"
    start = b"." * (LONGEST_LINE - len("NPM_TOKEN=") - at) + b"NPM_TOKEN="
    log = b"first\n" + start + token.encode() + b" needle" + b" more" * 100 + b"\nBuild failed\n"
    [hit] = parse_log(log, size, word="needle").hits
    for shown in (log_text(parse_log(log, size).end), hit.text, redact_log(log, size)):
        assert token[:at] not in shown
        assert token[at:] not in shown
    assert "more more" in hit.text


def test_a_word_that_can_not_be_cut_is_redacted_and_the_text_after_it_stays() -> None:
    blob = b"AbC9/+" * LONGEST_LINE
    assert redact_log(b"begins " + blob + b" goes on\nlast", 1000) == "begins [redacted] goes on\nlast\n"
    assert redact_log(b"begins " + blob + b"\nlast", 10**6) == "begins [redacted]\nlast\n"
    [hit] = parse_log(b"begins " + blob + b" goes on\nlast", 512, word="goes").hits
    assert hit.text == " goes on"


def test_a_bar_of_dots_and_a_progress_line_are_cut_without_redaction() -> None:
    bar = b"." * (2 * LONGEST_LINE)
    assert redact_log(bar, 1000) == bar.decode() + "\n"
    progress = b"".join(b"\rDownloading %d%%" % (number % 100) for number in range(9000)) + b"\rdone\n"
    assert len(progress) > LONGEST_LINE
    assert "[redacted]" not in redact_log(progress, 4096)
    assert redact_log(progress, 4096).endswith("done\n")


def test_the_end_that_is_held_is_bounded_for_long_lines() -> None:
    found = parse_log((b"some words " * 5000 + b"\n") * 50, 65536)
    assert sum(map(len, found.end)) <= KEPT_BYTES
    assert found.end[-1].endswith(b"some words ")
    assert found.lines == 50


def test_the_pieces_of_a_line_add_up_to_the_line() -> None:
    line = b"a few words and " * 20_000
    pieces, rest = LineCutter().cut(line, ended=True)
    assert b"".join(pieces) + rest == line
    assert all(LONGEST_LINE - 2 * SEAM <= len(piece) <= LONGEST_LINE for piece in pieces)


def test_long_lines_are_not_searched_in_quadratic_time() -> None:
    # Quadratic time would exceed the test's time limit.
    blanks = b"|" + b" " * 60_000 + b"x\n"
    assert parse_log(blanks * 500 + b"the end\n", 65536).end[-1] == b"the end"
    trouble = "x > a FAILED x" * 20_000
    assert find_failure(f"{trouble}\nlast").lines


@given(st.sampled_from(ANNOUNCED), st.integers(0, 400), st.integers(20, 200))
def test_no_part_of_a_secret_is_visible_in_a_shortened_text(line: Line, at: int, most: int) -> None:
    for before in ("word ", "API_TOKEN=hunter2hunter2 ", "a@b:"):
        text = fill(before, at).decode() + " " + line.text + " and more" * 50
        if not line.seen_in(redact(text)):
            assert not line.seen_in(redact_beginning(text, most))
            assert not line.seen_in(plain(text, most))


def test_a_shortened_text_ends_with_a_whole_word_and_an_ellipsis() -> None:
    assert truncate_at_word("two words", 9) == "two words"
    assert truncate_at_word("two words", 7) == "two "
    assert truncate_at_word("ü" * 10, 5) == "ü" * 5
    assert truncate_at_word("x" * 10, 5) == ""
    assert redact_beginning("short", 10) == "short"
    assert redact_beginning("word " * 100_000, 10).endswith("word …")
    assert len(redact_beginning("word " * 100_000, 10)) < 300
    assert drop_first_word("half the rest") == " the rest"


def test_a_single_line_of_a_config_var_value_is_redacted() -> None:
    value = "first-line-of-it\nsecond-line-of-it\nyes"
    assert redact_values(f"a {value} b", [value]) == "a [redacted] b"
    assert redact_values("…ine-of-it\nsecond-line-of-it\nyes", [value]) == "…ine-of-it\n[redacted]\nyes"
    assert redact_values("true or 8080", ["true", "8080"]) == "true or 8080"
