"""The boxes that Bitrise's command line draws into a log: round a step, and its summary. Pure; no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

_HEADER = re.compile(r"^\|\s*\(\d+\)\s+(?P<title>.+?)\s*\|$")
# A command's own table may look alike, but has no such time in its last cell.
_RESULT = re.compile(
    r"^\|\s*(?P<mark>\S?)\s*\|\s*(?P<title>.+?)\s*(?:\(exit code: (?P<code>\d+)\))?\s*"
    r"\|\s*(?P<time>\d+(?:\.\d+)?)\s*(?P<unit>ms|sec|min|hour)s?\s*\|$"
)
_SUMMARY = re.compile(r"^\|\s*bitrise summary\b")
_FRAME = re.compile(r"^\+[-+]+\+$|^\|.*\|$|^\s*▼\s*$")
# A box has eighty columns; some letters count as two. In a line without an end the blanks alone would take the square
# of its length.
LONGEST = 400
# Columns of a box; a command's own table has as many only by chance.
WIDTH = 80
_UNITS = {"ms": "milliseconds", "sec": "seconds", "min": "minutes", "hour": "hours"}
FAILED_MARKS = frozenset("x✗")
SUCCEEDED_MARKS = frozenset("✓✔")


@dataclass(frozen=True)
class StepResultBox:
    """What stands below a step: its mark, its title (long ones are cut), its exit code, and how long it took."""

    mark: str
    title: str
    exit_code: int | None
    took: timedelta


def header(line: str) -> str | None:
    """The title of the step that begins on the line."""
    match = _HEADER.match(line) if len(line) <= LONGEST else None
    return match["title"] if match else None


def result(line: str) -> StepResultBox | None:
    """How the step went that ends on the line."""
    match = _RESULT.match(line) if len(line) <= LONGEST else None
    if match is None:
        return None
    took = timedelta(**{_UNITS[match["unit"]]: float(match["time"])})
    return StepResultBox(match["mark"], match["title"], int(match["code"]) if match["code"] else None, took)


def is_summary(line: str) -> bool:
    """Whether the summary of all steps begins on the line."""
    return _SUMMARY.match(line) is not None


def is_frame(line: str) -> bool:
    """Whether the line is a box's, and no output."""
    return _FRAME.match(line) is not None
