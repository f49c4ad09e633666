"""Redaction of secrets, and of nothing else, tested with the corpus beside this file."""

from __future__ import annotations

import random
import re
import string
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.log.log_text import LONGEST_LINE, Redactor
from domain.redaction import (
    ambiguous_names,
    command_secrets,
    entropy,
    false_positives,
    headers,
    named_secrets,
    prefilter,
    private_keys,
    token_patterns,
    urls,
)
from domain.redaction.prefilter import find_candidates
from domain.redaction.private_keys import REDACTED
from domain.redaction.redactor import StreamRedactor, redact
from tests.domain.redaction.corpus.loader import SEED, Line, harmless_lines, secret_lines
from tests.support import canary_secrets

SECRETS = list(secret_lines())
HARMLESS = harmless_lines()


def test_the_corpus_is_large_enough() -> None:
    assert len(SECRETS) >= 150
    assert len(HARMLESS) >= 300
    assert all(line.secrets for line in SECRETS)


@pytest.mark.parametrize("line", SECRETS, ids=[line.template[:60] for line in SECRETS])
def test_each_secret_of_the_corpus_is_redacted(line: Line) -> None:
    redact_pieces = redact(line.text)
    assert REDACTED in redact_pieces
    assert not line.seen_in(redact_pieces)


@pytest.mark.parametrize("seed", range(SEED + 1, SEED + 6))
def test_named_secrets_are_found_for_every_seed(seed: int) -> None:
    # A secret without a name can by chance look like a name in code: see the rates below.
    announced = [
        line
        for line in secret_lines(seed)
        if re.search(r"[A-Za-z]{3}[^«]*«|«[a-zA-Z]{2,}[_.\-]", line.template)
    ]
    assert len(announced) > 250
    assert not [line.text for line in announced if line.seen_in(redact(line.text))]


@pytest.mark.parametrize("line", HARMLESS, ids=[line[:60] for line in HARMLESS])
def test_harmless_lines_stay_unchanged(line: str) -> None:
    assert redact(line) == line


def test_harmless_lines_stay_unchanged_together() -> None:
    text = "\n".join(HARMLESS)
    assert redact(text) == text
    assert redact_pieces([text.encode()]) == text.encode() + b"\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- BuildAPIToken: Qw3rTyUiOpAsDfGhJkLz9A", "- BuildAPIToken: [redacted]"),
        (
            "https://hooks.slack.com/services/T0/B0/abcdefgh12345678",
            "https://hooks.slack.com/services/[redacted]",
        ),
        ("postgres://app:s3cr3tV4lu3@db:5432/app", "postgres://[redacted]@db:5432/app"),
        (
            "https://x.s3.amazonaws.com/a?X-Amz-Expires=600&X-Amz-Signature=0a1b2c3d4e5f&x=1",
            "https://x.s3.amazonaws.com/a?X-Amz-Expires=600&X-Amz-Signature=[redacted]&x=1",
        ),
        (r"a?X-Amz-Signature=0a1b2c3d\u0026x=1", r"a?X-Amz-Signature=[redacted]\u0026x=1"),
        ('{"password": "it\'s a long one", "user": "ci"}', '{"password": "[redacted]", "user": "ci"}'),
        ("Authorization: token s3cr3tV4lu3", "Authorization: token [redacted]"),
        ("curl -u ci:hunter2hunter https://a.b", "curl -u ci:[redacted] https://a.b"),
        ("deploy --token s3cr3tV4lu3 --env live", "deploy --token [redacted] --env live"),
        ("Set-Cookie: sid=abcdef123456; Path=/", "Set-Cookie: sid=[redacted]; Path=/"),
        ("a -----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY----- b", "a [redacted]\n[redacted] b"),
        ("the password is “best”.", "the password is “[redacted]”."),
    ],
)
def test_the_text_around_a_secret_stays_readable(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Error: -----BEGIN RSA PRIVATE KEY----- expected, and nothing found",
        '{"private_key": "-----BEGIN PRIVATE KEY-----\\nMIIEvQ\\n-----END PRIVATE KEY-----\\n"}',
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA",
    ],
)
def test_a_key_without_an_end_does_not_hide_the_rest_of_the_log(text: str) -> None:
    after = "> Task :app:test FAILED\nBUILD FAILED in 3s"
    for shown_text in (
        redact(f"{text}\n{after}"),
        redact_pieces([f"{text}\n{after}".encode()]).decode().rstrip("\n"),
    ):
        assert shown_text.endswith(after)
        assert "MIIE" not in shown_text
        assert "b3Bl" not in shown_text


def test_values_on_the_lines_after_their_name_are_redacted() -> None:
    assert (
        redact("=> API_TOKEN\n   value: ab12\n   value: ab12")
        == "=> API_TOKEN\n   value: [redacted]\n   value: ab12"
    )
    assert redact("=> BRANCH\n   value: main") == "=> BRANCH\n   value: main"
    assert (
        redact("  secret: |\n    one\n\n    two\n  next: 1")
        == "  secret: |\n    [redacted]\n\n    [redacted]\n  next: 1"
    )


def test_the_canaries_are_found() -> None:
    assert canary_secrets.leaked_kinds(canary_secrets.log_with_secrets()) == list(canary_secrets.CANARIES)
    assert canary_secrets.leaked_kinds(redact(canary_secrets.log_with_secrets())) == []
    assert canary_secrets.LINES.keys() == canary_secrets.CANARIES.keys()


@pytest.mark.parametrize(
    ("alphabet", "length", "most"),
    [
        (string.ascii_letters + string.digits, 20, 0.08),
        (string.ascii_letters + string.digits, 32, 0.025),
        (string.ascii_letters + string.digits + "-_", 43, 0.025),
        (string.ascii_letters + string.digits + "+/", 64, 0.025),
    ],
)
def test_few_random_words_without_a_name_are_missed(alphabet: str, length: int, most: float) -> None:
    generator = random.Random(SEED)
    words = ["".join(generator.choices(alphabet, k=length)) for _ in range(2000)]
    assert sum(redact(f"x {word}") == f"x {word}" for word in words) / len(words) < most


def test_entropy_counts_bits_a_character() -> None:
    assert entropy.entropy("aaaa") == 0
    assert entropy.entropy("abab") == 1
    assert entropy.entropy("abcdefgh") == 3


# Any text ---------------------------------------------------------------------------------------------------------

PIECES = [
    *re.findall(
        r"\S+",
        """
        token secret password passphrase credential api_key privateKey access-key client_key signing_key key session
        Authorization: Bearer basic Cookie: Set-Cookie: https:// user:pass@host ?sig= &X-Amz-Signature= \\u0026token=
        bitpat_ xoxb- xoxe.xoxb-1- xapp-1- ghp_ github_pat_ glpat- AKIA ASIA AIza ya29. sk_live_ rk_test_ npm_ pypi-
        SG. eyJ hvs. .atlasv1. hooks.slack.com/services/ AAAA 8Q~ --password -p -u curl :AA PRIVATE
        := = : => -> | > < { } ( ) [ ] [redacted] … ... $ ${ @ / // . - _ \\ \\" " ' ` , ; & ?
        abcdefghijklmnop 0123456789ABCDEF aB3dE6gH9jK2mN5pQ8sT1vW4 the not set value: String
        """,
    ),
    "-----BEGIN RSA PRIVATE KEY-----",
    "-----END RSA PRIVATE KEY-----",
    "=> API_TOKEN\n   value: ",
    "password: |\n  ",
    " ",
    "\n",
    "\t",
]
TEXTS = st.text() | st.lists(st.sampled_from(PIECES) | st.text(max_size=6), max_size=12).map("".join)
LINES = st.sampled_from([line.text for line in SECRETS] + HARMLESS) | TEXTS


@given(TEXTS | st.lists(LINES, max_size=4).map("\n".join))
def test_redacting_again_finds_nothing_more(text: str) -> None:
    assert redact(redact(text)) == redact(text)


@given(TEXTS.filter(lambda text: "\n" not in text))
def test_the_prefilter_misses_no_line_that_redaction_would_change(line: str) -> None:
    if not find_candidates(line.encode("utf-8", "replace")):
        assert redact(line) == StreamRedactor().line(line) == line


def test_the_prefilter_finds_each_line_with_a_secret() -> None:
    assert all(find_candidates(line.text.encode()) for line in SECRETS)


# Any pieces -------------------------------------------------------------------------------------------------------


def redact_pieces(pieces: list[bytes]) -> bytes:
    redactor = Redactor()
    return b"".join(redactor.feed(piece) for piece in pieces) + redactor.finish()


def cut_at(log: bytes, places: list[int]) -> list[bytes]:
    return [log[a:b] for a, b in zip([0, *places], [*places, len(log)], strict=True)]


LOG = "\n".join(
    text for secret, harmless in zip(SECRETS, HARMLESS, strict=False) for text in (harmless, secret.text)
).encode()


@given(st.data())
def test_the_result_does_not_depend_on_how_a_log_is_cut(data: st.DataObject) -> None:
    lines = data.draw(st.lists(LINES, max_size=8))
    log = "\n".join(lines).encode("utf-8", "replace") + data.draw(st.binary(max_size=20))
    places = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=8)))
    assert redact_pieces(cut_at(log, places)) == redact_pieces([log])


@pytest.mark.parametrize("size", [1, 2, 7, 61, 1000, 65536])
def test_a_secret_that_is_cut_in_two_is_found(size: int) -> None:
    pieces = [LOG[at : at + size] for at in range(0, len(LOG), size)]
    assert redact_pieces(pieces) == redact_pieces([LOG]) == redact(LOG.decode()).encode() + b"\n"
    text = redact_pieces(pieces).decode()
    assert not [line.template for line in SECRETS if line.seen_in(text)]


def test_a_secret_within_colours_is_found() -> None:
    assert redact_pieces([b"\x1b[34mAPI_TO\x1b[0mKEN=\x1b[1ms3cr3tV4lu3\x1b[0m"]) == b"API_TOKEN=[redacted]\n"


@pytest.mark.parametrize("joint", [" ", ",", ";", '","x":"', "/"])
@pytest.mark.parametrize("size", [1000, 4096, 10**6])
def test_no_secret_is_cut_in_an_endless_line(joint: str, size: int) -> None:
    secret = "hunter-seven-ducks"
    words = joint.join(f"word{number} password: {secret}{number:06}" for number in range(9000))
    log = f"before\n{words}\nafter".encode()
    assert len(log) > 4 * LONGEST_LINE
    pieces = [log[at : at + size] for at in range(0, len(log), size)]
    text = redact_pieces(pieces)
    assert text == redact_pieces([log])
    assert text.startswith(b"before\n")
    assert text.endswith(b"\nafter\n")
    assert b"hunter-s" not in text
    assert b"word8999" in text or joint == "/"


def test_no_multibyte_character_is_cut() -> None:
    for letters in ("ü", "…", "✓", "🔓"):
        line = "x" + letters * LONGEST_LINE
        assert redact_pieces([line.encode()]) == line.encode() + b"\n"


def test_little_of_an_endless_line_is_held() -> None:
    redactor = Redactor()
    written = sum(len(redactor.feed(b"0123456789 abcdef" * 1000)) for _ in range(100))
    assert written > 17 * 100_000 - 2 * LONGEST_LINE


# Any length -------------------------------------------------------------------------------------------------------

PATTERNS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": pattern
    for module in (
        urls,
        ambiguous_names,
        entropy,
        headers,
        named_secrets,
        false_positives,
        private_keys,
        token_patterns,
        prefilter,
    )
    for name, pattern in vars(module).items()
    if isinstance(pattern, re.Pattern)
}
PATTERNS |= {f"commands.{sign.strip()}": pattern for sign, pattern in command_secrets.COMMANDS}
LOOPS = (codes.MAX_REPEAT, codes.MIN_REPEAT)


def has_nested_repetition(parsed: Any, *, within: bool = False) -> bool:
    """Return whether an unbounded repetition is nested in another one, and both can backtrack."""
    for code, value in parsed:
        loop = code in LOOPS and value[1] is codes.MAXREPEAT
        if (loop and within) or any(
            has_nested_repetition(part, within=loop or (within and code not in POSSESSIVE))
            for part in subpatterns_of(code, value)
        ):
            return True
    return False


POSSESSIVE = (codes.POSSESSIVE_REPEAT, codes.ATOMIC_GROUP)


def subpatterns_of(code: Any, value: Any) -> list[Any]:
    if code is codes.BRANCH:
        return list(value[1])
    if code in (*LOOPS, codes.POSSESSIVE_REPEAT):
        return [value[2]]
    if code is codes.SUBPATTERN:
        return [value[-1]]
    if code is codes.ATOMIC_GROUP:
        return [value]
    return [value[1]] if code in (codes.ASSERT, codes.ASSERT_NOT) else []


def test_nested_repetitions_are_detected() -> None:
    assert has_nested_repetition(parser.parse(r"x(?:a|b+)*y"))
    assert has_nested_repetition(parser.parse(r"(?=(a+)+)"))
    assert not has_nested_repetition(parser.parse(r"x(?:a|b+)*+y(?:ab*){1,3}"))


@pytest.mark.parametrize("name", PATTERNS)
def test_no_pattern_has_nested_repetitions(name: str) -> None:
    pattern = PATTERNS[name]
    assert not has_nested_repetition(parser.parse(pattern.pattern, pattern.flags))


NASTY = [
    "eyJaaaaaaaa-",
    "xoxb-",
    "sk-",
    "cookie:",
    "bearer ",
    "password ",
    'token=\\"',
    "aB1/",
    "s3://a@b ",
    "--token",
    "[redacted]",
    "-----BEGIN PRIVATE KEY-----",
    "AbC",
    "unexpected token 'x",
    "a" * 1000 + "\n",
]


@pytest.mark.parametrize("piece", NASTY)
def test_a_long_nasty_text_takes_linear_time(piece: str) -> None:
    # Quadratic time would exceed the test's time limit.
    nasty = "token " + piece * (1_000_000 // len(piece))
    assert redact(nasty).count("token") >= 1


def test_a_secret_attached_to_the_line_of_a_frame_is_redacted() -> None:
    secret = canary_secrets.CANARIES["Bitrise build API token"]
    assert redact("+" + "-" * 41 + secret) == REDACTED
