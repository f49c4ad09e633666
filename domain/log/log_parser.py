"""Streaming parser of a build's log: its steps, the end of one, and the lines with a word. Pure; no I/O.

It holds only what was requested in memory, however long the log is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import timedelta
from enum import StrEnum

from domain.build import FrozenModel
from domain.log import step_boxes
from domain.log.log_text import LONGEST_LINE, LineCutter
from domain.redaction.private_keys import REDACTED, SIGN, PrivateKeys

KEPT_LINES = 60
MAX_HITS = 15
# Limits the time for a word that is in nearly every line of a huge log.
MAX_COUNTED_HITS = 1000
MAX_STEPS = 300
# Fewer lines are held if they are very long: nobody is shown more than some thousand characters.
KEPT_BYTES = 64 * 1024


class StepResult(StrEnum):
    """The result of a step."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    ABORTED = "aborted"
    RUNNING = "running"
    OTHER = "other"


class Step(FrozenModel):
    """One step of a build; `number` counts from 1, `uuid` is its id at Bitrise, if known."""

    number: int
    title: str
    result: StepResult
    took: timedelta | None = None
    uuid: str | None = None
    error: str | None = None


class SearchHit(FrozenModel):
    """A line that contains the word searched for, with secrets redacted; `line` counts from 1."""

    line: int
    step: str | None
    text: str


class ParsedLog(FrozenModel):
    """The parsed log. `end` are the last lines of the requested step, or of the failed one, or of the whole log.

    `of` is that step's title, None for the end of the whole log; all titles are unredacted, as in the log.
    """

    steps: tuple[Step, ...] = ()
    end: tuple[bytes, ...] = ()
    of: str | None = None
    hits: tuple[SearchHit, ...] = ()
    hit_count: int = 0
    lines: int = 0
    size: int = 0


class LogParser:
    """Parses a log in pieces. `step` is the number of the step whose end is requested; `word` is searched in any case.

    `clean` removes colours and the like from a line, `shown` also redacts secrets.
    """

    def __init__(
        self,
        *,
        clean: Callable[[str], str],
        shown: Callable[[str], str],
        step: int | None = None,
        word: str | None = None,
    ) -> None:
        self._clean = clean
        self._shown = shown
        self._wanted_step = step
        self._word = word.lower() if word else None
        # Most lines can be skipped undecoded; bytes have lower case for ASCII only.
        self._ascii_word = self._word.encode() if self._word and self._word.isascii() else b""
        self._steps: list[Step] = []
        self._last_lines: deque[bytes] = deque()
        self._cutter = LineCutter()
        self._end: tuple[bytes, ...] | None = None
        self._end_step: str | None = None
        self._hits: list[SearchHit] = []
        self._hit_count = self._lines = self._size = self._kept_bytes = 0
        self._rest = self._previous_line = b""
        self._keys = PrivateKeys()
        self._past_steps = self._in_box = False

    def feed(self, chunk: bytes) -> None:
        """Parse the next piece."""
        self._size += len(chunk)
        *lines, rest = self._cutter.drop_rest_of_word(self._rest + chunk).split(b"\n")
        for line in lines:
            if len(line) > LONGEST_LINE:
                # It may be endless, so it is not held either.
                pieces, last = self._cutter.cut(line, ended=True)
                for piece in (*pieces, last):
                    self._take(piece)
            else:
                self._take(line)
        pieces, self._rest = self._cutter.cut(rest, ended=False)
        for piece in pieces:
            self._take(piece)

    def finish(self) -> ParsedLog:
        """Parse the rest, and return the result."""
        if self._rest:
            self._take(self._rest)
            self._rest = b""
        end, of = self._end, self._end_step
        if end is None:
            wanted = self._wanted_step in (None, len(self._steps))
            end, of = (tuple(self._last_lines), self._current_step()) if wanted else ((), None)
        return ParsedLog(
            steps=tuple(self._steps),
            end=end,
            of=of,
            hits=tuple(self._hits),
            hit_count=self._hit_count,
            lines=self._lines,
            size=self._size,
        )

    def _take(self, line: bytes) -> None:
        self._lines += 1
        line = line.removesuffix(b"\r")
        # A private key goes over many lines, of which the last ones alone could not be recognised.
        if self._keys.inside or SIGN in line:
            line = self._redact_key(line)
        self._in_box = False
        if line.startswith((b"|", b"+-")) and not self._past_steps:
            self._read_box(self._clean(line.decode("utf-8", "replace")).rstrip())
        if self._word is not None and self._hit_count < MAX_COUNTED_HITS and self._ascii_word in line.lower():
            self._search_line(line, self._word)
        if not self._past_steps and not self._in_box:
            self._keep_line(line)
        self._previous_line = line

    def _keep_line(self, line: bytes) -> None:
        if len(self._last_lines) == KEPT_LINES:
            self._kept_bytes -= len(self._last_lines.popleft())
        self._last_lines.append(line)
        self._kept_bytes += len(line)
        while self._kept_bytes > KEPT_BYTES and len(self._last_lines) > 1:
            self._kept_bytes -= len(self._last_lines.popleft())

    def _search_line(self, line: bytes, word: str) -> None:
        # Only redacted text is searched, or a secret could be guessed letter by letter.
        text = line.decode("utf-8", "replace")
        if (
            word not in text.lower()
            or word not in (text := self._redact_after(self._previous_line, text)).lower()
        ):
            return
        self._hit_count += 1
        if len(self._hits) < MAX_HITS:
            self._hits.append(SearchHit(line=self._lines, step=self._current_step(), text=text))

    def _redact_after(self, before: bytes, text: str) -> str:
        # If a variable is printed on two lines, only the first shows that the second is a secret.
        if b"=>" not in before:
            return self._shown(text)
        return self._shown(f"{before.decode('utf-8', 'replace')}\n{text}").rpartition("\n")[2]

    def _redact_key(self, line: bytes) -> bytes:
        shown = self._keys.redact(line.decode("utf-8", "replace"))
        return REDACTED.encode() if shown is None else shown.encode("utf-8", "replace")

    def _read_box(self, line: str) -> None:
        self._in_box = len(line) == step_boxes.WIDTH and step_boxes.is_frame(line)
        if step_boxes.is_summary(line):
            self._close_step(StepResult.OTHER, None)
            self._past_steps = True
        elif (title := step_boxes.header(line)) is not None:
            self._close_step(StepResult.OTHER, None)
            if len(self._steps) < MAX_STEPS:
                number = len(self._steps) + 1
                self._steps.append(Step(number=number, title=title, result=StepResult.RUNNING))
            self._last_lines.clear()
            self._kept_bytes = 0
        elif (box := step_boxes.result(line)) is not None:
            self._close_step(_result_of(box.mark), box.took)

    def _close_step(self, result: StepResult, took: timedelta | None) -> None:
        if not self._steps or self._steps[-1].result is not StepResult.RUNNING:
            return
        step = self._steps[-1] = self._steps[-1].model_copy(update={"result": result, "took": took})
        failed = self._wanted_step is None and result is StepResult.FAILED
        if self._end is None and (failed or self._wanted_step == step.number):
            self._end, self._end_step = tuple(self._last_lines), step.title

    def _current_step(self) -> str | None:
        return self._steps[-1].title if self._steps and not self._past_steps else None


def _result_of(mark: str) -> StepResult:
    if mark in step_boxes.FAILED_MARKS or mark == "!":
        return StepResult.FAILED if mark != "!" else StepResult.OTHER
    if mark in step_boxes.SUCCEEDED_MARKS:
        return StepResult.SUCCEEDED
    return StepResult.SKIPPED if mark in ("-", "–") else StepResult.OTHER
