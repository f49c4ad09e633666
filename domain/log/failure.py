"""Why a build failed, out of its log: the failing step and the last lines that matter. Pure; no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from domain.build import FrozenModel
from domain.log import step_boxes

MOST_LINES = 12
LONGEST_LINE = 300
# What a tool says of a failure stands near a line's beginning; to look through more would take the square of it.
LOOKED_AT = 1000
# Indented lines behind a line that matters explain it: where a test failed, what an exception was caused by.
_EXPLAINING = 3


class Failure(FrozenModel):
    """The failing step with its exit code, as far as the log says, and the lines that say what went wrong.

    `summary` is what the provider itself makes of it, where it does.
    """

    step: str | None = None
    exit_code: int | None = None
    lines: tuple[str, ...] = ()
    summary: str | None = None


@dataclass(frozen=True)
class BuildToolPattern:
    """How a build tool says what went wrong; `blocks` begin paragraphs that matter to their end."""

    name: str
    lines: re.Pattern[str]
    blocks: re.Pattern[str] | None = None


def _tool(name: str, *lines: str, blocks: Sequence[str] = ()) -> BuildToolPattern:
    return BuildToolPattern(
        name, re.compile("|".join(lines)), re.compile("|".join(blocks)) if blocks else None
    )


TOOLS = (
    _tool(
        "Gradle",
        r"^e: ",
        r"^\S.* > .+ FAILED\s*$",
        r"^\d+ tests? completed, [1-9]\d* failed",
        r"^> Task \S+ FAILED",
        r"^Execution failed for task",
        r"^\S+\.(?:java|kt):\d+: error: ",
        blocks=(r"^\* What went wrong:",),
    ),
    _tool(
        "xcodebuild",
        r"^(?:❌|✖|⨯)\s",
        r"^\S.*:\d+(?::\d+)?: (?:fatal )?error: ",
        r"^(?:xcodebuild: |ld: |clang: )?error: ",
        r"^Test [Cc]ase '.+' failed",
        r"^\*\* \w[\w ]* FAILED \*\*",
        r"^Undefined symbols? for",
        blocks=(r"^(?:Failing tests|Testing failed|The following build commands failed):",),
    ),
    _tool(
        "Flutter",
        r"^\S+\.dart:\d+:\d+: Error: ",
        r"^\s*\d+:\d+ \+\d+(?: ~\d+)? -\d+: .+ \[E\]\s*$",
        r"^Some tests failed\.",
        r"^Target \S+ failed: ",
        r"^\s*error • ",
        blocks=(r"^══+╡ EXCEPTION CAUGHT BY .*",),
    ),
    _tool(
        "npm",
        r"^npm (?:ERR!|error) (?!A complete log|code\b|errno\b|path\b|\s*/)",
        r"^\s*● .+ › .+",
        r"^\s*FAIL\s+\S+",
        r"^\S+\(\d+,\d+\): error TS\d+: ",
        r"^\S+:\d+:\d+ - error TS\d+: ",
        r"^(?:Tests|Test Suites): +[1-9]\d* failed",
        r"^\s*\d+ (?:failing|problems? \([1-9]\d* errors?)",
        r"^ERROR in ",
    ),
)
_ANYTHING = re.compile(
    r"(?i)(?<![\w-])(?:error|fatal|failed|failure|panic|exception|cannot|not found|unhandled)(?![\w-])"
)
_NO_TROUBLE = re.compile(r"(?i)\b(?:0|no) (?:errors?|failures?|failed)\b|\berrors?: 0\b")


def failure_from_text(words: str) -> Failure:
    """The failure of which the provider itself says what went wrong; of many lines the last ones."""
    lines = [line.rstrip()[:LONGEST_LINE] for line in words.splitlines() if line.strip()]
    return Failure(lines=tuple(lines[-MOST_LINES:]))


def find_failure(log: str) -> Failure:
    """What a failed build's log says; its lines without colours, the boxes round its steps still there."""
    lines = [line[:LOOKED_AT] for line in log.split("\n")]
    step, code, output = _failing_step(lines)
    said = [line.rstrip() for line in output if not step_boxes.is_frame(line)]
    return Failure(step=step, exit_code=code, lines=tuple(_that_matter(said)))


def _failing_step(lines: Sequence[str]) -> tuple[str | None, int | None, Sequence[str]]:
    begin = 0
    for place, line in enumerate(lines):
        if step_boxes.is_summary(line):
            return None, None, lines[begin:place]
        if step_boxes.header(line) is not None:
            begin = place + 1
        elif (box := step_boxes.result(line)) is not None and box.mark in step_boxes.FAILED_MARKS:
            return box.title, box.exit_code, lines[begin:place]
    return None, None, lines[begin:]


def _that_matter(lines: Sequence[str]) -> list[str]:
    """The tool's own words where one is known by them, else whatever sounds like trouble, else the end."""
    found = [[*_told_by(tool, lines)] for tool in TOOLS]
    best = max(found, key=len)
    if not best:
        best = [*_with_explanations(lines, _sounds_like_trouble)]
    if not best:
        best = [line for line in lines if line.strip()][-8:]
    kept = list(dict.fromkeys(line[:LONGEST_LINE] for line in best if line.strip()))
    return kept[-MOST_LINES:]


def _told_by(tool: BuildToolPattern, lines: Sequence[str]) -> Iterator[str]:
    in_block = False

    def matters(line: str) -> bool:
        nonlocal in_block
        if tool.blocks is not None and tool.blocks.match(line):
            in_block = True
        elif not line.strip():
            in_block = False
        return in_block or tool.lines.match(line) is not None

    return _with_explanations(lines, matters)


def _with_explanations(lines: Sequence[str], matters: Callable[[str], bool]) -> Iterator[str]:
    explaining = 0
    for line in lines:
        if matters(line):
            yield line
            explaining = _EXPLAINING
        elif explaining and line.startswith((" ", "\t")) and line.strip():
            yield line
            explaining -= 1
        else:
            explaining = 0


def _sounds_like_trouble(line: str) -> bool:
    return bool(_ANYTHING.search(line)) and not _NO_TROUBLE.search(line)
