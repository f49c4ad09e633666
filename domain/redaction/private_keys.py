"""Private keys in a text: many lines, of which only the first and the last say what they are. Pure; no I/O."""

from __future__ import annotations

import re

REDACTED = "[redacted]"

# PEM and OpenSSH, PGP's blocks, SSH2's four dashes; blanks may be written as in an address.
_MARK = re.compile(
    r"-{4,5} ?(BEGIN|END)[A-Z0-9 +%]{1,40}?PRIVATE(?: |\+|%20)KEY[A-Z0-9 +%]{0,10}-{4,5}", re.ASCII
)
SIGN = b"PRIVATE"
# What stands above a key's letters (RFC 1421, RFC 4880).
_HEADER = re.compile(r"(?:Proc-Type|DEK-Info|Version|Comment|Charset|Hash|MessageID|Subject): ", re.ASCII)
_LETTERS = re.compile(r"[A-Za-z0-9+/=]+", re.ASCII)
# Around a line of a key in source code, JSON or a table.
_AROUND = "\"'`,;|\\n+"
# Lines of a key are 64 to 76 letters wide, its last one is shorter.
_FULL_LINE = 60


class PrivateKeys:
    """Takes the private keys out of a text that comes line by line; `inside` says that one is not over yet.

    A key ends at its END, or, where that is missing, before the first line that can't be a key's: who merely
    mentions a BEGIN does not lose all that follows. A key's lines have no more words before their letters than its
    first line had before its BEGIN (a time, a level), so that it is known within a log's prefixes, too.
    """

    def __init__(self) -> None:
        self.inside = False
        self._words_before = 0

    def without(self, line: str) -> str | None:
        """The line without what belongs to a key; None where all of it does."""
        if "PRIVATE" in line and (marks := list(_MARK.finditer(line))):
            return self._between(line, marks)
        if self.inside and self._goes_on(line):
            return None
        self.inside = False
        return line

    def _between(self, line: str, marks: list[re.Match[str]]) -> str:
        kept, at = [], 0
        self._words_before = len(_words(line[: marks[0].start()]))
        for mark in marks:
            before = line[at : mark.start()]
            if mark[1] == "BEGIN":
                if not self.inside:
                    kept += [before, REDACTED]
                self.inside = True
            else:
                if not kept or not self.inside:
                    kept += [REDACTED] if self.inside or _is_letters(before) else [before, REDACTED]
                self.inside = False
            at = mark.end()
        return "".join(kept if self.inside else [*kept, line[at:]])

    def _goes_on(self, line: str) -> bool:
        words = _words(line)
        if not words or _HEADER.search(line):
            return True
        if not _LETTERS.fullmatch(words[-1]):
            return False
        return len(words) <= self._words_before + 1 or len(words[-1]) >= _FULL_LINE


def count_cut_key_lines(lines: list[str]) -> int:
    """How many lines at a text's beginning are a key's whose BEGIN was cut off; 0 where there is no such END."""
    for end, line in enumerate(lines):
        if "PRIVATE" not in line or not (mark := _MARK.search(line)):
            continue
        if mark[1] == "BEGIN":
            return 0
        begin = end
        most = len(_words(line[: mark.start()])) + 1
        while begin and _is_letters(lines[begin - 1], most):
            begin -= 1
        return end - begin if begin == 0 else 0
    return 0


def _is_letters(line: str, most: int = 1) -> bool:
    words = _words(line)
    return 0 < len(words) <= most and _LETTERS.fullmatch(words[-1]) is not None


def _words(line: str) -> list[str]:
    return [word for each in line.split() if (word := each.strip(_AROUND))]
