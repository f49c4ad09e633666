"""`python -m checks.summary REPORT SECONDS`: what a run of all checks took, from pytest's JUnit report."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

SLOWEST = 10


class Timed(NamedTuple):
    """A test, and the seconds that it took with what it needs."""

    seconds: float
    name: str


def read_times(report: Path) -> list[Timed]:
    """Every test of a report, the slowest first. Raises OSError or ParseError."""
    cases = ElementTree.parse(report).iter("testcase")  # noqa: S314
    return sorted((Timed(float(case.get("time", 0)), _name_of(case)) for case in cases), reverse=True)


def summarize(times: list[Timed], seconds: float) -> Iterator[str]:
    """The lines that say how long the run and its slowest tests took; `seconds` is the whole run's time."""
    minutes, rest = divmod(round(seconds), 60)
    yield f"{len(times)} tests; everything took {minutes} min {rest} s. The slowest tests:"
    for one in times[:SLOWEST]:
        yield f"{one.seconds:7.1f} s  {one.name}"


def _name_of(case: ElementTree.Element) -> str:
    return f"{case.get('classname', '')}.{case.get('name', '')}"


def main() -> None:
    """Print the summary; a run that ended before its tests has no report, and only its time is said."""
    report, seconds = Path(sys.argv[1]), float(sys.argv[2])
    times = read_times(report) if report.stat().st_size else []
    print("\n".join(summarize(times, seconds)))


if __name__ == "__main__":
    main()
