"""A build's log as a person wants to read it, secrets taken out, however it comes. Pure; no I/O.

Nothing here needs a client, so that the worker processes can import it fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice, pairwise

from domain.ansi import plain_text
from domain.redaction.prefilter import candidate_lines, lines_to_clean
from domain.redaction.private_keys import REDACTED, count_cut_key_lines
from domain.redaction.redactor import StreamRedactor, drop_first_word, redact

# The boxes that Bitrise's command line draws round each step are eighty columns wide, twice what a phone shows of a
# block of code: the words in them stay, the frame goes. A command's own table of another width stays as it is.
_FRAME = re.compile(r"\+[-+]{78}\+")
_FRAMED = re.compile(r"\|(.{78})\|")
_BETWEEN_STEPS = re.compile(r" {20,}▼")
# What `plain_text` takes out, or what is no text.
_UNPRINTED = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2\x9b")
LONGEST_LINE = 64 * 1024
# How much on both sides of a cut says whether it goes through a secret.
SEAM = 2 * 1024
# Where a line may be cut if no secret goes through the place: between words; else between letters that no secret has,
# or within a bar of dots or dashes.
_BETWEEN_WORDS = re.compile(rb"[ \t,;](?=[A-Za-z0-9\"'{\[])")
_BETWEEN_LETTERS = re.compile(rb"[\x80-\xff](?=[\xc2-\xf4\r\x1b])|([.=\-_*#])\1{7}(?=\1{8})")
MOST_TRIES = 16
_WORD = bytes(range(0x21, 0x7F))


def strip_control_codes(text: str) -> str:
    """The log as text: no colours, frames or overwritten progress lines, no secrets, no blank lines in a row."""
    lines = [_unframed(line.rstrip()) for line in plain_text(text).split("\n")]
    shown = [line for before, line in pairwise(["", *lines]) if line or before]
    return redact("\n".join(shown)).strip("\n")


def _unframed(line: str) -> str:
    if _FRAME.fullmatch(line) or _BETWEEN_STEPS.fullmatch(line):
        return ""
    if framed := _FRAMED.fullmatch(line):
        return "  ".join(cell for part in framed[1].split(" | ") if (cell := part.strip()))
    return line


def log_text(lines: Sequence[bytes]) -> str:
    """Lines of a log as a person wants them, secrets taken out."""
    return strip_control_codes(b"\n".join(lines).decode("utf-8", "replace"))


class LineCutter:
    """Cuts a line that is too long to be held, so that no secret is cut in two where it shows.

    A word that is so long that it has no place to cut it goes whole: it may hold a secret anywhere. Where a line is cut
    depends on the line alone, and not on the pieces in which it comes.
    """

    def __init__(self) -> None:
        self._in_word = False

    def cut(self, line: bytes, *, ended: bool) -> tuple[list[bytes], bytes]:
        """The pieces of what there is of a line, and its rest of at most LONGEST_LINE; `ended`: this is its end."""
        pieces: list[bytes] = []
        while len(line) > LONGEST_LINE:
            if place := _place_to_cut(line[:LONGEST_LINE]):
                pieces.append(line[:place])
                line = line[place:]
            else:
                pieces.append(line[:LONGEST_LINE].rstrip(_WORD) + REDACTED.encode())
                self._in_word = True
                line = self.after_word(line[LONGEST_LINE:])
        if ended:
            self._in_word = False
        return pieces, line

    def after_word(self, line: bytes) -> bytes:
        """What comes next, without the rest of a word whose beginning was taken out."""
        if self._in_word and (line := line.lstrip(_WORD)):
            self._in_word = False
        return line


class Redactor:
    """Takes secrets and colours out of a log that comes in pieces, however it is cut; of a private key nothing is left.

    A line without an end is cut, too, so that little is held, but where no secret is cut in two. `cut_off`: its
    beginning is missing, so the rest of a key may come first. Not `terminal`: what a terminal would not show stays.
    """

    def __init__(self, *, cut_off: bool = False, terminal: bool = True) -> None:
        self._rest = b""
        self._cutter = LineCutter()
        self._redaction = StreamRedactor()
        self._cut_off = cut_off
        self._terminal = terminal

    def feed(self, chunk: bytes) -> bytes:
        """The next lines, as far as they are whole."""
        whole, newline, rest = self._cutter.after_word(self._rest + chunk).rpartition(b"\n")
        shown = [self._lines(whole + newline)] if newline else []
        pieces, self._rest = self._cutter.cut(rest, ended=False)
        shown += map(self._line, pieces)
        return b"".join(shown)

    def finish(self) -> bytes:
        """What is left."""
        rest, self._rest = self._rest, b""
        return self._lines(rest + b"\n") if rest else b""

    def _lines(self, lines: bytes) -> bytes:
        """Whole lines as they may be shown."""
        if self._cut_off:
            self._cut_off = False
            lines = _without_cut_key(lines)
        shown: list[bytes] = []
        at = 0
        for begin in _too_long(lines):
            end = lines.index(b"\n", begin)
            pieces, rest = self._cutter.cut(lines[begin:end], ended=True)
            shown += (
                self._of_usual_length(lines[at:begin]),
                *map(self._line, pieces),
                self._line(rest, b"\n"),
            )
            at = end + 1
        return b"".join([*shown, self._of_usual_length(lines[at:])])

    def _of_usual_length(self, lines: bytes) -> bytes:
        # Most lines of most logs hold nothing to be taken out, and there can be millions of them.
        lines = _plain(lines) if self._terminal else lines
        shown: list[bytes] = []
        at = 0
        for start in [*candidate_lines(lines), len(lines)]:
            while at < start and self._redaction.waiting:
                at = self._one(lines, at, shown)
            if at <= start:
                shown.append(lines[at:start])
                at = self._one(lines, start, shown) if start < len(lines) else start
        return b"".join(shown)

    def _one(self, lines: bytes, start: int, shown: list[bytes]) -> int:
        """Append the line that begins at `start` as it may be shown; where the next one begins."""
        end = lines.index(b"\n", start)
        shown.append(self._line(lines[start:end], b"\n"))
        return end + 1

    def _line(self, line: bytes, end: bytes = b"") -> bytes:
        text = line.decode("utf-8", "replace")
        if self._terminal and _UNPRINTED.search(line):
            text = plain_text(text.rstrip("\r"))
        shown = self._redaction.line(text)
        return b"" if shown is None else shown.encode("utf-8", "replace") + end


def _plain(lines: bytes) -> bytes:
    """Whole lines, each as `plain_text` leaves it."""
    shown: list[bytes] = []
    at = 0
    for start in lines_to_clean(lines):
        end = lines.index(b"\n", start)
        line = lines[start:end].rstrip(b"\r").decode("utf-8", "replace")
        plain = plain_text(line).encode("utf-8", "replace")
        shown += (lines[at:start], plain)
        at = end
    return b"".join([*shown, lines[at:]]) if shown else lines


def _too_long(lines: bytes) -> Iterator[int]:
    """Where the lines begin that are too long."""
    begin = 0
    while len(lines) - begin > LONGEST_LINE:
        newline = lines.rfind(b"\n", begin, begin + LONGEST_LINE + 1)
        if newline < 0:
            yield begin
            newline = lines.index(b"\n", begin)
        begin = newline + 1


def _place_to_cut(line: bytes) -> int:
    """Where a line that is too long is cut: near its end, and not within anything to be taken out; 0 for nowhere."""
    window = len(line) - 2 * SEAM, len(line) - SEAM
    places = chain(
        islice(_BETWEEN_WORDS.finditer(line, *window), MOST_TRIES),
        islice(_BETWEEN_LETTERS.finditer(line, *window), MOST_TRIES),
    )
    return next((place for found in places if _is_safe(line, place := found.end())), 0)


def _is_safe(line: bytes, place: int) -> bool:
    """Whether both sides of the place are shown alike whether the line is cut there or not."""
    before, after = (
        _without_escapes(part.decode("utf-8", "replace"))
        for part in (line[place - SEAM : place], line[place : place + SEAM])
    )
    together = _without_escapes(line[place - SEAM : place + SEAM].decode("utf-8", "replace"))
    return together == before + after and redact(together) == redact(before) + redact(after)


def _without_escapes(text: str) -> str:
    # What is written over later on the line is none of the place's business.
    return plain_text(text.replace("\r", "\n"))


def _without_cut_key(lines: bytes) -> bytes:
    """Lines without those of a private key whose beginning is missing."""
    split = lines.decode("utf-8", "replace").split("\n")
    if not (cut := count_cut_key_lines(split)):
        return lines
    return "\n".join([REDACTED, *split[cut:]]).encode("utf-8", "replace")


def last_lines(content: bytes) -> str:
    """The text of a log's end, without the line that was cut in half."""
    text = content.decode("utf-8", "replace")
    # Of a secret that is cut in half, nothing tells that it is one; it has no blanks in it.
    return text.split("\n", 1)[-1] if "\n" in text else drop_first_word(text)
