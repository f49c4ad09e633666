"""The cause of a failure, from the build's log: the failing step and the last relevant lines. Pure; no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from domain.build import FrozenModel
from domain.log import step_boxes

MAX_LINES = 12
LONGEST_LINE = 300
# A tool's failure message is near the line's beginning; searching more of it would take quadratic time.
SEARCHED_LENGTH = 1000
# Indented lines after a relevant line explain it: where a test failed, what caused an exception.
_EXPLANATION_LINES = 3


class Failure(FrozenModel):
    """The failing step with its exit code, as far as the log shows them, and the lines that say what went wrong.

    `summary` is the provider's own summary, if it has one.
    """

    step: str | None = None
    exit_code: int | None = None
    lines: tuple[str, ...] = ()
    summary: str | None = None


@dataclass(frozen=True)
class BuildToolPattern:
    """The patterns of a build tool's failure messages; `blocks` begin paragraphs that are relevant to their end."""

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
_PROBLEM = re.compile(
    r"(?i)(?<![\w-])(?:error|fatal|failed|failure|panic|exception|cannot|not found|unhandled)(?![\w-])"
)
_NO_PROBLEM = re.compile(r"(?i)\b(?:0|no) (?:errors?|failures?|failed)\b|\berrors?: 0\b")


def failure_from_text(text: str) -> Failure:
    """Make a failure from the provider's own text; only the last lines if it is long."""
    lines = [line.rstrip()[:LONGEST_LINE] for line in text.splitlines() if line.strip()]
    return Failure(lines=tuple(lines[-MAX_LINES:]))


def find_failure(log: str) -> Failure:
    """Find the cause in a failed build's log, given without colours but with the boxes around its steps."""
    lines = [line[:SEARCHED_LENGTH] for line in log.split("\n")]
    step, code, output = _failing_step(lines)
    output_lines = [line.rstrip() for line in output if not step_boxes.is_frame(line)]
    return Failure(step=step, exit_code=code, lines=tuple(_select_lines(output_lines)))


def _failing_step(lines: Sequence[str]) -> tuple[str | None, int | None, Sequence[str]]:
    begin = 0
    for index, line in enumerate(lines):
        if step_boxes.is_summary(line):
            return None, None, lines[begin:index]
        if step_boxes.header(line) is not None:
            begin = index + 1
        elif (box := step_boxes.result(line)) is not None and box.mark in step_boxes.FAILED_MARKS:
            return box.title, box.exit_code, lines[begin:index]
    return None, None, lines[begin:]


def _select_lines(lines: Sequence[str]) -> list[str]:
    """Return the lines of a known tool, else the lines that mention a problem, else the last lines."""
    found = [[*_lines_of_tool(tool, lines)] for tool in TOOLS]
    best = max(found, key=len)
    if not best:
        best = [*_lines_with_explanations(lines, _mentions_problem)]
    if not best:
        best = [line for line in lines if line.strip()][-8:]
    selected = list(dict.fromkeys(line[:LONGEST_LINE] for line in best if line.strip()))
    return selected[-MAX_LINES:]


def _lines_of_tool(tool: BuildToolPattern, lines: Sequence[str]) -> Iterator[str]:
    in_block = False

    def is_relevant(line: str) -> bool:
        nonlocal in_block
        if tool.blocks is not None and tool.blocks.match(line):
            in_block = True
        elif not line.strip():
            in_block = False
        return in_block or tool.lines.match(line) is not None

    return _lines_with_explanations(lines, is_relevant)


def _lines_with_explanations(lines: Sequence[str], is_relevant: Callable[[str], bool]) -> Iterator[str]:
    explaining = 0
    for line in lines:
        if is_relevant(line):
            yield line
            explaining = _EXPLANATION_LINES
        elif explaining and line.startswith((" ", "\t")) and line.strip():
            yield line
            explaining -= 1
        else:
            explaining = 0


def _mentions_problem(line: str) -> bool:
    return bool(_PROBLEM.search(line)) and not _NO_PROBLEM.search(line)
