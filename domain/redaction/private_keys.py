"""Private keys in a text: many lines, of which only the first and the last can be recognised. Pure; no I/O."""

from __future__ import annotations

import re

REDACTED = "[redacted]"

# PEM and OpenSSH, PGP blocks, SSH2 with four dashes; blanks may be URL-encoded.
_MARK = re.compile(
    r"-{4,5} ?(BEGIN|END)[A-Z0-9 +%]{1,40}?PRIVATE(?: |\+|%20)KEY[A-Z0-9 +%]{0,10}-{4,5}", re.ASCII
)
SIGN = b"PRIVATE"
# Headers above a key's letters (RFC 1421, RFC 4880).
_HEADER = re.compile(r"(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash|MessageID|Subject): ", re.ASCII)
_KEY_LETTERS = re.compile(r"[A-Za-z0-9+/=]+", re.ASCII)
# Characters around a line of a key in source code, JSON or a table.
_SURROUNDING = "\"'`,;|\\n+"
# Lines of a key are 64 to 76 letters wide, its last one is shorter.
_FULL_LINE = 60


class PrivateKeys:
    """Redacts the private keys in a text that comes line by line; `inside`: a key has begun and not ended yet.

    A key ends at its END, or, if that is missing, before the first line that can't belong to a key: a mere mention of
    BEGIN does not hide everything after it. A key's lines have no more words before their letters than its first line
    had before its BEGIN (a time, a level), so a key is also recognised with a log's prefixes.
    """

    def __init__(self) -> None:
        self.inside = False
        self._words_before = 0

    def redact(self, line: str) -> str | None:
        """Return the line without parts of a key; None if all of it belongs to a key."""
        if "PRIVATE" in line and (marks := list(_MARK.finditer(line))):
            return self._redact_between(line, marks)
        if self.inside and self._continues_key(line):
            return None
        self.inside = False
        return line

    def _redact_between(self, line: str, marks: list[re.Match[str]]) -> str:
        parts, at = [], 0
        self._words_before = len(_words(line[: marks[0].start()]))
        for mark in marks:
            before = line[at : mark.start()]
            if mark[1] == "BEGIN":
                if not self.inside:
                    parts += [before, REDACTED]
                self.inside = True
            else:
                if not parts or not self.inside:
                    parts += [REDACTED] if self.inside or _is_key_line(before) else [before, REDACTED]
                self.inside = False
            at = mark.end()
        return "".join(parts if self.inside else [*parts, line[at:]])

    def _continues_key(self, line: str) -> bool:
        words = _words(line)
        if not words or _HEADER.search(line):
            return True
        if not _KEY_LETTERS.fullmatch(words[-1]):
            return False
        return len(words) <= self._words_before + 1 or len(words[-1]) >= _FULL_LINE


def count_cut_key_lines(lines: list[str]) -> int:
    """Count the lines at a text's beginning that belong to a key whose BEGIN was cut off; 0 without such an END."""
    for end, line in enumerate(lines):
        if "PRIVATE" not in line or not (mark := _MARK.search(line)):
            continue
        if mark[1] == "BEGIN":
            return 0
        begin = end
        most = len(_words(line[: mark.start()])) + 1
        while begin and _is_key_line(lines[begin - 1], most):
            begin -= 1
        return end - begin if begin == 0 else 0
    return 0


def _is_key_line(line: str, limit: int = 1) -> bool:
    words = _words(line)
    return 0 < len(words) <= limit and _KEY_LETTERS.fullmatch(words[-1]) is not None


def _words(line: str) -> list[str]:
    return [word for each in line.split() if (word := each.strip(_SURROUNDING))]
