"""Reading a build's log as it comes: its steps, the end of one, and where a word stands. Pure; no I/O.

However long the log is, only what was asked for is held.
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
MOST_HITS = 15
# A word that stands in nearly every line of a huge log is not counted for minutes.
MOST_COUNTED = 1000
MOST_STEPS = 300
# Of lines that are longer than any that is read, fewer are kept: nobody is shown more than some thousand letters.
KEPT_BYTES = 64 * 1024


class StepResult(StrEnum):
    """How a step went."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    SKIPPED = "skipped"
    ABORTED = "aborted"
    RUNNING = "running"
    OTHER = "other"


class Step(FrozenModel):
    """One step of a build; `number` counts from 1, `uuid` names it at Bitrise where that is known."""

    number: int
    title: str
    result: StepResult
    took: timedelta | None = None
    uuid: str | None = None
    error: str | None = None


class SearchHit(FrozenModel):
    """A line with the word that was looked for, secrets taken out; `line` counts from 1."""

    line: int
    step: str | None
    text: str


class ParsedLog(FrozenModel):
    """What was read. `end` are the last lines of the step that was wanted, or of the one that failed, or of all.

    `of` is that step's title, None where it is the log's own end; it and the titles are as they stood in the log.
    """

    steps: tuple[Step, ...] = ()
    end: tuple[bytes, ...] = ()
    of: str | None = None
    hits: tuple[SearchHit, ...] = ()
    hit_count: int = 0
    lines: int = 0
    size: int = 0


class LogParser:
    """Takes a log in pieces. `step` is the number of the step whose end is wanted; `word` is looked for in any case.

    `clean` takes colours and the like out of a line, `shown` also what nobody may see.
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
        self._wanted = step
        self._word = word.lower() if word else None
        # Most lines can be passed over undecoded; bytes know the lower case of ASCII alone.
        self._sign = self._word.encode() if self._word and self._word.isascii() else b""
        self._steps: list[Step] = []
        self._kept: deque[bytes] = deque()
        self._cutter = LineCutter()
        self._end: tuple[bytes, ...] | None = None
        self._of: str | None = None
        self._hits: list[SearchHit] = []
        self._hit_count = self._lines = self._size = self._kept_bytes = 0
        self._rest = self._before = b""
        self._keys = PrivateKeys()
        self._over = self._boxed = False

    def feed(self, chunk: bytes) -> None:
        """Take the next piece."""
        self._size += len(chunk)
        *lines, rest = self._cutter.after_word(self._rest + chunk).split(b"\n")
        for line in lines:
            if len(line) > LONGEST_LINE:
                # It may have no end, so that it is not held either.
                pieces, last = self._cutter.cut(line, ended=True)
                for piece in (*pieces, last):
                    self._take(piece)
            else:
                self._take(line)
        pieces, self._rest = self._cutter.cut(rest, ended=False)
        for piece in pieces:
            self._take(piece)

    def finish(self) -> ParsedLog:
        """What was read until now."""
        if self._rest:
            self._take(self._rest)
            self._rest = b""
        end, of = self._end, self._of
        if end is None:
            wanted = self._wanted in (None, len(self._steps))
            end, of = (tuple(self._kept), self._title()) if wanted else ((), None)
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
            line = self._without_key(line)
        self._boxed = False
        if line.startswith((b"|", b"+-")) and not self._over:
            self._box(self._clean(line.decode("utf-8", "replace")).rstrip())
        if self._word is not None and self._hit_count < MOST_COUNTED and self._sign in line.lower():
            self._look_in(line, self._word)
        if not self._over and not self._boxed:
            self._keep(line)
        self._before = line

    def _keep(self, line: bytes) -> None:
        if len(self._kept) == KEPT_LINES:
            self._kept_bytes -= len(self._kept.popleft())
        self._kept.append(line)
        self._kept_bytes += len(line)
        while self._kept_bytes > KEPT_BYTES and len(self._kept) > 1:
            self._kept_bytes -= len(self._kept.popleft())

    def _look_in(self, line: bytes, word: str) -> None:
        # Only what may be shown is searched, or a secret could be guessed letter by letter.
        text = line.decode("utf-8", "replace")
        if word not in text.lower() or word not in (text := self._shown_after(self._before, text)).lower():
            return
        self._hit_count += 1
        if len(self._hits) < MOST_HITS:
            self._hits.append(SearchHit(line=self._lines, step=self._title(), text=text))

    def _shown_after(self, before: bytes, text: str) -> str:
        # Where a variable is told on two lines, only the first says that the second is a secret.
        if b"=>" not in before:
            return self._shown(text)
        return self._shown(f"{before.decode('utf-8', 'replace')}\n{text}").rpartition("\n")[2]

    def _without_key(self, line: bytes) -> bytes:
        shown = self._keys.without(line.decode("utf-8", "replace"))
        return REDACTED.encode() if shown is None else shown.encode("utf-8", "replace")

    def _box(self, line: str) -> None:
        self._boxed = len(line) == step_boxes.WIDTH and step_boxes.is_frame(line)
        if step_boxes.is_summary(line):
            self._close_step(StepResult.OTHER, None)
            self._over = True
        elif (title := step_boxes.header(line)) is not None:
            self._close_step(StepResult.OTHER, None)
            if len(self._steps) < MOST_STEPS:
                number = len(self._steps) + 1
                self._steps.append(Step(number=number, title=title, result=StepResult.RUNNING))
            self._kept.clear()
            self._kept_bytes = 0
        elif (box := step_boxes.result(line)) is not None:
            self._close_step(_result_of(box.mark), box.took)

    def _close_step(self, result: StepResult, took: timedelta | None) -> None:
        if not self._steps or self._steps[-1].result is not StepResult.RUNNING:
            return
        step = self._steps[-1] = self._steps[-1].model_copy(update={"result": result, "took": took})
        failed = self._wanted is None and result is StepResult.FAILED
        if self._end is None and (failed or self._wanted == step.number):
            self._end, self._of = tuple(self._kept), step.title

    def _title(self) -> str | None:
        return self._steps[-1].title if self._steps and not self._over else None


def _result_of(mark: str) -> StepResult:
    if mark in step_boxes.FAILED_MARKS or mark == "!":
        return StepResult.FAILED if mark != "!" else StepResult.OTHER
    if mark in step_boxes.SUCCEEDED_MARKS:
        return StepResult.SUCCEEDED
    return StepResult.SKIPPED if mark in ("-", "–") else StepResult.OTHER
