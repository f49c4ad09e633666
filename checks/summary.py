"""Print the duration of a test run, from pytest's JUnit report: `python -m checks.summary REPORT SECONDS`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

SLOWEST = 10


class Timed(NamedTuple):
    """A test and its seconds, including fixtures."""

    seconds: float
    name: str


def read_times(report: Path) -> list[Timed]:
    """Return all tests of a report, slowest first. Raises OSError or ParseError."""
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314
    return sorted((Timed(float(case.get("time", 0)), _name_of(case)) for case in cases), reverse=True)


def summarize(times: list[Timed], seconds: float) -> Iterator[str]:
    """Return lines with the duration of the run and its slowest tests; `seconds` is the time of the whole run."""
    minutes, rest = divmod(round(seconds), 60)
    yield f"{len(times)} tests; everything took {minutes} min {rest} s. The slowest tests:"
    for time in times[:SLOWEST]:
        yield f"{time.seconds:7.1f} s  {time.name}"


def _name_of(case: ElementTree.Element) -> str:
    return f"{case.get('classname', '')}.{case.get('name', '')}"


def main() -> None:
    """Print the summary; without a report only the time of the run."""
    report, seconds = Path(sys.argv[1]), float(sys.argv[2])
    times = read_times(report) if report.stat().st_size else []
    print("\n".join(summarize(times, seconds)))


if __name__ == "__main__":
    main()
