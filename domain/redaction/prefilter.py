"""Finds the lines of a log that could contain a secret, fast enough for hundreds of megabytes. Pure; no I/O.

Most lines contain none. They are skipped without reading each: the search is for a few words that occur beside secrets,
and for runs of letters and digits as long as a secret that do not look like a name or a hash. Runs are found in a copy
of the bytes in which each letter and digit is an x: searching for x's is the fastest search of bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from domain.redaction.named_secrets import KEYS

# In lower case. Every line in which a rule for names, headers, URLs or arguments finds a secret contains one of these.
_WORDS = (
    *re.findall(
        rb"\S+",
        b"token secret cred cookie bearer basic jwt sig= signature ticket hook curl wget connection redis-cli"
        b" response= add-mask bitpat_ xox sid= hmac= hdn telegram .office.com partition-list"
        b" codecov mnemonic ldap sqlplus :5432:",
    ),
    b"sudo -s",
    b" -p",
    b'"-p',
)
# Words that occur in every log count only within these patterns.
_COMMON_WORDS = {
    b"pass": rb"pass(?:w|p|c|in\b|out\b|[=:\"'\\])|[_.\-]pass|(?:store|key|ks)pass",
    b"_pat": rb"[a-z0-9]_pat(?![a-z])",
    b"login": rb"vault +login|sonar\.login",
    b"enc -": rb"openssl +enc",
    b"salt": rb"(?<![a-z])salt[\"' ]{0,2}\s{0,9}\\?[=:]",
    b"pwd": rb"(?<![a-z])pwd",
    b"auth": rb"_auth|(?:snyk |doctl |--)auth|auth(?:orization|[\"'=\\]|[_\- ]?key)",
    b"key": rb"(?:" + KEYS.encode() + rb")[_\- ]?key|[?&;6]key=|key-pair-id=|accesskeyid=|awsaccess",
    b"session": rb"_session|session(?:_?id)?=",
    b"code=": rb"(?:[?&;]|u0026|%26)code=",
    b"policy=": rb"(?:[?&;]|u0026|%26)policy=",
    b"private": rb"private(?: |\+|%20)key",
}
_WITHIN = {word: re.compile(pattern) for word, pattern in _COMMON_WORDS.items()}
_ANY_WORD = re.compile(b"|".join(map(re.escape, (*_WORDS, *_WITHIN))))
_SHORT = 500
_CREDENTIALS = re.compile(rb":\\?/\\?/[^\s/]*@")
_RUN = b"x" * 12
_CONTROL = b"\x01"
_RUNS = bytes(
    ord("x") if chr(byte) in "+-_" or (byte < 128 and chr(byte).isalnum()) else 32 for byte in range(256)
)
_CONTROLS = bytes(1 if (byte < 32 and byte not in b"\t\n") or byte == 127 else 32 for byte in range(256))
# Hashes, slugs and UUIDs; words joined by hyphens, with a version's first number; names of words and acronyms. The
# repetition is possessive, or it would try all ways to split a long one.
_HARMLESS = re.compile(
    rb"(?!AKIA|ASIA)(?:[0-9a-fA-F\-]+|[a-z]+(?:[\-_][a-z]+)*+[\-_]?[0-9]*|-+[A-Za-z0-9]{0,12}"
    rb"|[a-z]?(?:[A-Z]*[a-z]{2,}|[A-Z]{2,}|[_+\-])++[A-Za-z]?[0-9]{0,2})"
)
_CSI = b"\xc2\x9b"


_RUN_ENDS = re.compile(rb"[^x]|\Z")


def find_candidates(text: bytes) -> bool:
    """Return whether the text could contain a secret; if not, `redact` would find nothing in it."""
    lowered = text.lower()
    # For a short text, one search for all words at once is several times as fast; for a long one it is slower.
    if len(text) > _SHORT or _ANY_WORD.search(lowered):
        if any(word in lowered for word in _WORDS):
            return True
        if any(word in lowered and pattern.search(lowered) for word, pattern in _WITHIN.items()):
            return True
    if b"@" in text and _CREDENTIALS.search(text):
        return True
    runs = text.translate(_RUNS)
    return _RUN in runs and next(_long_runs(text, runs), None) is not None


def candidate_lines(lines: bytes) -> list[int]:
    """Return where the lines with signs of secrets begin, in order."""
    found = set()
    lowered, runs = lines.lower(), lines.translate(_RUNS)
    for word in _WORDS:
        found |= _lines_with(word, lowered, lines)
    for word, pattern in _WITHIN.items():
        found |= _lines_with(word, lowered, lines, pattern)
    if b"@" in lines:
        found |= _lines_with(b"@", lines, lines, _CREDENTIALS)
    return sorted(found.union(lines.rfind(b"\n", 0, at) + 1 for at in _long_runs(lines, runs)))


def lines_to_clean(lines: bytes) -> list[int]:
    """Return where the lines with control characters begin, in order."""
    return sorted(_lines_with(_CONTROL, lines.translate(_CONTROLS), lines) | _lines_with(_CSI, lines, lines))


def _lines_with(
    sign: bytes, within: bytes, lines: bytes, pattern: re.Pattern[bytes] | None = None
) -> set[int]:
    """Return where the lines begin that contain the sign, and the pattern if there is one."""
    starts, at = set(), within.find(sign)
    while at >= 0:
        start, end = lines.rfind(b"\n", 0, at) + 1, lines.find(b"\n", at)
        if pattern is None or pattern.search(within, start, end if end >= 0 else len(lines)):
            starts.add(start)
        at = within.find(sign, end) if end >= 0 else -1
    return starts


def _long_runs(text: bytes, runs: bytes) -> Iterator[int]:
    """Yield where runs begin that are as long as a secret and do not look harmless."""
    at = runs.find(_RUN)
    while at >= 0:
        found = _RUN_ENDS.search(runs, at + len(_RUN))
        end = found.start() if found else len(runs)
        if not _HARMLESS.fullmatch(text, at, end):
            yield at
        at = runs.find(_RUN, end)
