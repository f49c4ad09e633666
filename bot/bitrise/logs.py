"""Reading a build's log: its chunks in order, and its text as a person wants it. Pure; no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import islice, pairwise
from typing import Annotated

from pydantic import BaseModel, ValidationError, WrapValidator

from bot.build import Frozen
from bot.http import NotUnderstood
from bot.http.answers import Flag, Number, Text, Time, or_none
from bot.http.redaction import Redaction, lines_to_clean, lines_to_look_at, redact
from bot.provider import Provider
from bot.terminal import plain_text

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
_BETWEEN_WORDS = re.compile(rb"[ \t,;](?=[A-Za-z0-9\"'{\[])")


class ChunkItem(BaseModel):
    """A piece of a log."""

    chunk: Text = None
    position: Number = None


class LogItem(BaseModel):
    """The log's answer: the last chunks, and the archive's link once there is one."""

    log_chunks: Annotated[list[ChunkItem] | None, WrapValidator(or_none)] = None
    is_archived: Flag = None
    expiring_raw_log_url: Text = None
    generated_log_chunks_num: Number = None
    next_before_timestamp: Time = None


class Log(Frozen):
    """A log as far as the API itself shows it.

    `raw_url` leads to the whole of it, for some minutes, once it is archived. `gaps`: chunks are missing between
    those that are here.
    """

    text: str
    archived: bool
    raw_url: str | None = None
    gaps: bool = False
    from_the_start: bool = False
    before: datetime | None = None


def read_log(body: bytes) -> Log:
    """The log in an answer; chunks come unordered and with gaps. Raises NotUnderstood."""
    try:
        item = LogItem.model_validate_json(body)
    except ValidationError as error:
        raise NotUnderstood("no log in it", provider=Provider.BITRISE) from error
    chunks = sorted(item.log_chunks or [], key=lambda chunk: chunk.position or 0)
    positions = [chunk.position for chunk in chunks if chunk.position is not None]
    return Log(
        text="".join(chunk.chunk or "" for chunk in chunks),
        archived=bool(item.is_archived),
        raw_url=item.expiring_raw_log_url,
        gaps=any(after - before > 1 for before, after in pairwise(positions)),
        from_the_start=_begins_at_first(positions, of=item.generated_log_chunks_num),
        before=item.next_before_timestamp,
    )


def _begins_at_first(positions: Sequence[int], *, of: int | None) -> bool:
    """The documents show a first chunk at 0, today's command line assumes 1: there the number of chunks decides."""
    if not positions or positions[0] > 1:
        return False
    return positions[0] == 0 or of is None or len(positions) >= of


def readable(text: str) -> str:
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
    return readable(b"\n".join(lines).decode("utf-8", "replace"))


class Redactor:
    """Takes secrets and colours out of a log that comes in pieces, however it is cut; of a private key nothing is left.

    A line without an end is cut, too, so that little is held, but where no secret is cut in two.
    """

    def __init__(self) -> None:
        self._rest = b""
        self._redaction = Redaction()

    def feed(self, chunk: bytes) -> bytes:
        """The next lines, as far as they are whole."""
        whole, newline, self._rest = (self._rest + chunk).rpartition(b"\n")
        shown = [self._lines(whole + newline)] if newline else []
        while len(self._rest) > LONGEST_LINE:
            cut = _place_to_cut(self._rest[:LONGEST_LINE])
            shown.append(self._line(self._rest[:cut]))
            self._rest = self._rest[cut:]
        return b"".join(shown)

    def finish(self) -> bytes:
        """What is left."""
        rest, self._rest = self._rest, b""
        return self._lines(rest + b"\n") if rest else b""

    def _lines(self, lines: bytes) -> bytes:
        """Whole lines as they may be shown."""
        shown: list[bytes] = []
        at = 0
        for begin in _too_long(lines):
            start, end = begin, lines.index(b"\n", begin)
            shown.append(self._of_usual_length(lines[at:start]))
            while end - start > LONGEST_LINE:
                cut = start + _place_to_cut(lines[start : start + LONGEST_LINE])
                shown.append(self._line(lines[start:cut]))
                start = cut
            shown.append(self._line(lines[start:end], b"\n"))
            at = end + 1
        return b"".join([*shown, self._of_usual_length(lines[at:])])

    def _of_usual_length(self, lines: bytes) -> bytes:
        # Most lines of most logs hold nothing to be taken out, and there can be millions of them.
        lines = _plain(lines)
        shown: list[bytes] = []
        at = 0
        for start in [*lines_to_look_at(lines), len(lines)]:
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
        shown = self._redaction.line(plain_text(text) if _UNPRINTED.search(line) else text)
        return b"" if shown is None else shown.encode("utf-8", "replace") + end


def _plain(lines: bytes) -> bytes:
    """Whole lines, each as `plain_text` leaves it."""
    shown: list[bytes] = []
    at = 0
    for start in lines_to_clean(lines):
        end = lines.index(b"\n", start)
        plain = plain_text(lines[start:end].decode("utf-8", "replace")).encode("utf-8", "replace")
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
    """Where a line that is too long is cut: near its end, between words, and not within anything to be taken out."""
    for found in islice(_BETWEEN_WORDS.finditer(line, len(line) - 2 * SEAM, len(line) - SEAM), 16):
        place = found.end()
        before, after = (
            part.decode("utf-8", "replace")
            for part in (line[place - SEAM : place], line[place : place + SEAM])
        )
        if redact(before + after) == redact(before) + redact(after):
            return place
    # A letter of several bytes is not cut in two either.
    place = len(line)
    while place > len(line) - 3 and line[place - 1] & 0xC0 == 0x80:
        place -= 1
    return place - 1 if line[place - 1] >= 0xC0 else place


def last_lines(content: bytes) -> str:
    """The text of a log's end, without the line that was cut in half."""
    text = content.decode("utf-8", "replace")
    return text.split("\n", 1)[-1] if "\n" in text else text
