"""Readable, redacted text of a build's log, also for a log that comes in pieces. Pure; no I/O.

This module imports no client, so that the worker processes start fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice, pairwise

from domain.control_characters import plain_text
from domain.redaction.prefilter import candidate_lines, lines_to_clean
from domain.redaction.private_keys import REDACTED, count_cut_key_lines
from domain.redaction.redactor import StreamRedactor, drop_first_word, redact

# The boxes that Bitrise's command line draws around each step are 80 columns wide, twice the width of a code block on a
# phone: their text stays, the frame is removed. A command's own table of another width stays unchanged.
_FRAME = re.compile(r"\+[-+]{78}\+")
_FRAMED = re.compile(r"\|(.{78})\|")
_BETWEEN_STEPS = re.compile(r" {20,}▼")
# Characters that `plain_text` removes, or that are not text.
_UNPRINTED = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2\x9b")
LONGEST_LINE = 64 * 1024
# How many bytes on both sides of a cut are checked for a secret across it.
SEAM = 2 * 1024
# Where a line may be cut if there is no secret across that position: between words; else between letters that do not
# occur in secrets, or within a bar of dots or dashes.
_BETWEEN_WORDS = re.compile(rb"[ \t,;](?=[A-Za-z0-9\"'{\[])")
_BETWEEN_LETTERS = re.compile(rb"[\x80-\xff](?=[\xc2-\xf4\r\x1b])|([.=\-_*#])\1{7}(?=\1{8})")
MAX_TRIES = 16
_WORD = bytes(range(0x21, 0x7F))


def strip_control_codes(text: str) -> str:
    """Remove colours, frames, overwritten progress lines and repeated blank lines, and redact secrets."""
    lines = [_remove_frame(line.rstrip()) for line in plain_text(text).split("\n")]
    shown = [line for before, line in pairwise(["", *lines]) if line or before]
    return redact("\n".join(shown)).strip("\n")


def _remove_frame(line: str) -> str:
    if _FRAME.fullmatch(line) or _BETWEEN_STEPS.fullmatch(line):
        return ""
    if framed := _FRAMED.fullmatch(line):
        return "  ".join(cell for part in framed[1].split(" | ") if (cell := part.strip()))
    return line


def log_text(lines: Sequence[bytes]) -> str:
    """Return lines of a log as readable text, with secrets redacted."""
    return strip_control_codes(b"\n".join(lines).decode("utf-8", "replace"))


class LineCutter:
    """Cuts a line that is too long to hold, such that no part of a secret stays visible at a cut.

    A word so long that it can't be cut safely is redacted completely: it may contain a secret anywhere. The cuts depend
    on the line alone, not on the pieces in which it arrives.
    """

    def __init__(self) -> None:
        self._in_word = False

    def cut(self, line: bytes, *, ended: bool) -> tuple[list[bytes], bytes]:
        """Return the pieces of a line, and the rest of at most LONGEST_LINE bytes; `ended`: the line is complete."""
        pieces: list[bytes] = []
        while len(line) > LONGEST_LINE:
            if position := _find_cut(line[:LONGEST_LINE]):
                pieces.append(line[:position])
                line = line[position:]
            else:
                pieces.append(line[:LONGEST_LINE].rstrip(_WORD) + REDACTED.encode())
                self._in_word = True
                line = self.drop_rest_of_word(line[LONGEST_LINE:])
        if ended:
            self._in_word = False
        return pieces, line

    def drop_rest_of_word(self, line: bytes) -> bytes:
        """Return the line without the rest of a word whose beginning was redacted."""
        if self._in_word and (line := line.lstrip(_WORD)):
            self._in_word = False
        return line


class Redactor:
    """Redacts secrets and removes colours in a log that comes in any pieces; private keys are removed completely.

    An endless line is cut, so that little is held, but never through a secret. `cut_off`: the log's beginning is
    missing, so it may start within a key. Not `terminal`: control codes and overwritten text stay.
    """

    def __init__(self, *, cut_off: bool = False, terminal: bool = True) -> None:
        self._rest = b""
        self._cutter = LineCutter()
        self._redaction = StreamRedactor()
        self._cut_off = cut_off
        self._terminal = terminal

    def feed(self, chunk: bytes) -> bytes:
        """Return the next lines, as far as they are complete."""
        whole, newline, rest = self._cutter.drop_rest_of_word(self._rest + chunk).rpartition(b"\n")
        shown = [self._redact_lines(whole + newline)] if newline else []
        pieces, self._rest = self._cutter.cut(rest, ended=False)
        shown += map(self._redact_line, pieces)
        return b"".join(shown)

    def finish(self) -> bytes:
        """Return the rest."""
        rest, self._rest = self._rest, b""
        return self._redact_lines(rest + b"\n") if rest else b""

    def _redact_lines(self, lines: bytes) -> bytes:
        """Redact complete lines."""
        if self._cut_off:
            self._cut_off = False
            lines = _drop_cut_key(lines)
        shown: list[bytes] = []
        at = 0
        for begin in _find_long_lines(lines):
            end = lines.index(b"\n", begin)
            pieces, rest = self._cutter.cut(lines[begin:end], ended=True)
            shown += (
                self._redact_short_lines(lines[at:begin]),
                *map(self._redact_line, pieces),
                self._redact_line(rest, b"\n"),
            )
            at = end + 1
        return b"".join([*shown, self._redact_short_lines(lines[at:])])

    def _redact_short_lines(self, lines: bytes) -> bytes:
        # Most lines of most logs have nothing to redact, and there can be millions of them.
        lines = _plain_lines(lines) if self._terminal else lines
        shown: list[bytes] = []
        at = 0
        for start in [*candidate_lines(lines), len(lines)]:
            while at < start and self._redaction.waiting:
                at = self._redact_line_at(lines, at, shown)
            if at <= start:
                shown.append(lines[at:start])
                at = self._redact_line_at(lines, start, shown) if start < len(lines) else start
        return b"".join(shown)

    def _redact_line_at(self, lines: bytes, start: int, shown: list[bytes]) -> int:
        """Append the redacted line that begins at `start`, and return where the next one begins."""
        end = lines.index(b"\n", start)
        shown.append(self._redact_line(lines[start:end], b"\n"))
        return end + 1

    def _redact_line(self, line: bytes, end: bytes = b"") -> bytes:
        text = line.decode("utf-8", "replace")
        if self._terminal and _UNPRINTED.search(line):
            text = plain_text(text.rstrip("\r"))
        shown = self._redaction.line(text)
        return b"" if shown is None else shown.encode("utf-8", "replace") + end


def _plain_lines(lines: bytes) -> bytes:
    """Apply `plain_text` to each of the complete lines."""
    shown: list[bytes] = []
    at = 0
    for start in lines_to_clean(lines):
        end = lines.index(b"\n", start)
        line = lines[start:end].rstrip(b"\r").decode("utf-8", "replace")
        plain = plain_text(line).encode("utf-8", "replace")
        shown += (lines[at:start], plain)
        at = end
    return b"".join([*shown, lines[at:]]) if shown else lines


def _find_long_lines(lines: bytes) -> Iterator[int]:
    """Yield the positions at which lines begin that are too long."""
    begin = 0
    while len(lines) - begin > LONGEST_LINE:
        newline = lines.rfind(b"\n", begin, begin + LONGEST_LINE + 1)
        if newline < 0:
            yield begin
            newline = lines.index(b"\n", begin)
        begin = newline + 1


def _find_cut(line: bytes) -> int:
    """Return where to cut a line that is too long: near its end, and not within a secret; 0 if that is impossible."""
    window = len(line) - 2 * SEAM, len(line) - SEAM
    cuts = chain(
        islice(_BETWEEN_WORDS.finditer(line, *window), MAX_TRIES),
        islice(_BETWEEN_LETTERS.finditer(line, *window), MAX_TRIES),
    )
    return next((position for found in cuts if _is_safe_cut(line, position := found.end())), 0)


def _is_safe_cut(line: bytes, position: int) -> bool:
    """Return whether both sides of the position are shown the same with and without the cut."""
    before, after = (
        _strip_escapes(part.decode("utf-8", "replace"))
        for part in (line[position - SEAM : position], line[position : position + SEAM])
    )
    together = _strip_escapes(line[position - SEAM : position + SEAM].decode("utf-8", "replace"))
    return together == before + after and redact(together) == redact(before) + redact(after)


def _strip_escapes(text: str) -> str:
    # Carriage returns become line ends, so text that is overwritten later in the line is compared too.
    return plain_text(text.replace("\r", "\n"))


def _drop_cut_key(lines: bytes) -> bytes:
    """Remove the lines of a private key whose beginning is missing."""
    split = lines.decode("utf-8", "replace").split("\n")
    if not (cut := count_cut_key_lines(split)):
        return lines
    return "\n".join([REDACTED, *split[cut:]]).encode("utf-8", "replace")


def last_lines(content: bytes) -> str:
    """Return the text of a log's end, without the line that was cut in half."""
    text = content.decode("utf-8", "replace")
    # Half a secret can't be recognised; secrets contain no blanks.
    return text.split("\n", 1)[-1] if "\n" in text else drop_first_word(text)
