"""Every benchmark at its smallest size: it runs and measures something. The numbers themselves are not checked."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bench import event_loop_delay, notification_latency, options_latency
from bench.__main__ import ALL, SMALLEST
from bench.environment import running_environment
from bench.result import BenchmarkResult, scale_count
from tests.support.postgres import find_programs

# Benchmarks of a running bot and their number of results, in an order in which none disturbs another.
WHOLE_BOT_BENCHMARKS = {
    "telling": 1,  # first, since it adds apps and the bot caches the list of apps
    "ack": 1,
    "lists": 2,
    "held": 3,
    "unsigned": 3,
    "start": 1,
    "memory": 1,
}
# Of every-app there are two for each kind of database; those of many bots need PostgreSQL.
PART_BENCHMARKS = {
    "cpu": 3,
    "look": 6,
    "log": 4,
    "record": 1,
    "backlog": 2,
    "growth": 2,
    "every-app": 2,
    "databases": 5,
    "many-drain": 3,
    "many-polls": 6,
    "many-latency": 5,
    "single": 6,
}
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks read /proc")


def check_results(figures: Sequence[BenchmarkResult], count: int) -> dict[str, str]:
    """Check the number of results, and that each has a unique name and real numbers; returns the measured ones by name."""
    assert len(figures) == len({figure.name for figure in figures}) == count
    for figure in figures:
        assert re.search(r"\d", figure.measured), figure
        assert not re.search(r"\b(?:nan|inf)\b", str(figure)), figure
        assert figure.baseline, figure
        assert figure.goal, figure
    return {figure.name: figure.measured for figure in figures}


def has_postgres() -> bool:
    try:
        return bool(os.environ.get("TEST_POSTGRES_URL") or find_programs())
    except LookupError:
        return False


async def test_without_postgresql_benchmarks_of_databases_say_so_and_measure_sqlite(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.delenv("TEST_POSTGRES_URL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tests.support.postgres.DEBIAN_FOLDER", tmp_path)
    check_results(await ALL["every-app"](SMALLEST), 2)
    assert capsys.readouterr().out == (
        "PostgreSQL is not measured: needs PostgreSQL: install Debian's package postgresql, or set TEST_POSTGRES_URL.\n"
    )


def test_every_benchmark_is_covered_here() -> None:
    assert ALL.keys() == WHOLE_BOT_BENCHMARKS.keys() | PART_BENCHMARKS.keys()


def test_the_smallest_size_is_at_least_the_minimum() -> None:
    assert scale_count(400, SMALLEST, minimum=2) == 2
    assert scale_count(400, 1, minimum=2) == 400
    assert scale_count(400, 0.5, minimum=2) == 200


@needs_proc
async def test_benchmarks_of_the_whole_bot_run_at_their_smallest_size() -> None:
    settings = options_latency.SETTINGS | event_loop_delay.SETTINGS | notification_latency.SETTINGS
    async with running_environment(None, settings, program=event_loop_delay.PROGRAM) as environment:
        for name, count in WHOLE_BOT_BENCHMARKS.items():
            try:
                check_results(await ALL[name](SMALLEST, environment), count)
            except Exception as error:
                error.add_note(f"in python -m bench {name} --smallest")
                raise
        assert environment.slack.violations == []


@needs_proc
@pytest.mark.parametrize("name", PART_BENCHMARKS)
async def test_benchmarks_of_parts_run_at_their_smallest_size(name: str) -> None:
    cores = os.sched_getaffinity(0)
    count = PART_BENCHMARKS[name]
    if name == "every-app":
        count *= has_postgres() + 1
    elif name.startswith("many-"):
        count *= has_postgres()
    figures = check_results(await ALL[name](SMALLEST), count)
    assert os.sched_getaffinity(0) == cores, "what comes next is measured on fewer cores"
    if name == "look":
        assert {
            measured for result_name, measured in figures.items() if result_name.startswith("requests")
        } == {"1.00"}
    if name == "backlog":
        assert figures["… messages lost or told twice"] == "0"
