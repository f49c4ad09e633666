"""The boxes that Bitrise's command line draws into a log: around a step, and its summary. Pure; no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

_HEADER = re.compile(r"^\|\s*\(\d+\)\s+(?P<title>.+?)\s*\|$")
# A command's own table may look similar, but has no such time in its last cell.
_RESULT = re.compile(
    r"^\|\s*(?P<mark>\S?)\s*\|\s*(?P<title>.+?)\s*(?:\(exit code: (?P<code>\d+)\))?\s*"
    r"\|\s*(?P<time>\d+(?:\.\d+)?)\s*(?P<unit>ms|sec|min|hour)s?\s*\|$"
)
_SUMMARY = re.compile(r"^\|\s*bitrise summary\b")
_FRAME = re.compile(r"^\+[-+]+\+$|^\|.*\|$|^\s*▼\s*$")
# A box has 80 columns; some letters count as two. In an endless line, the blanks alone would take quadratic time.
LONGEST = 400
# Columns of a box; a command's own table has this many only by chance.
WIDTH = 80
_UNITS = {"ms": "milliseconds", "sec": "seconds", "min": "minutes", "hour": "hours"}
FAILED_MARKS = frozenset("x✗")
SUCCEEDED_MARKS = frozenset("✓✔")


@dataclass(frozen=True)
class StepResultBox:
    """The box below a step: its mark, its title (cut if long), its exit code, and its duration."""

    mark: str
    title: str
    exit_code: int | None
    took: timedelta


def header(line: str) -> str | None:
    """Return the title of the step that begins on the line; None if none does."""
    match = _HEADER.match(line) if len(line) <= LONGEST else None
    return match["title"] if match else None


def result(line: str) -> StepResultBox | None:
    """Return the result of the step that ends on the line; None if none does."""
    match = _RESULT.match(line) if len(line) <= LONGEST else None
    if match is None:
        return None
    took = timedelta(**{_UNITS[match["unit"]]: float(match["time"])})
    return StepResultBox(match["mark"], match["title"], int(match["code"]) if match["code"] else None, took)


def is_summary(line: str) -> bool:
    """Return whether the summary of all steps begins on the line."""
    return _SUMMARY.match(line) is not None


def is_frame(line: str) -> bool:
    """Return whether the line belongs to a box and is not output."""
    return _FRAME.match(line) is not None
