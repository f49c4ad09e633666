"""Every benchmark at its smallest size: that it runs and measures something. How fast that was says nothing here."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

import pytest

from bench import (
    ack_latency,
    dispatcher_throughput,
    event_loop_delay,
    idle_memory,
    idle_poll,
    log_parser,
    notification_latency,
    options_latency,
    poll_recorder,
    startup_time,
    storage_growth,
    unsigned_requests,
)
from bench.__main__ import ALL, SMALLEST
from bench.environment import running_environment
from bench.result import BenchmarkResult, scale_count

# What each measures in a bot that runs, in an order in which none is in another one's way.
OF_THE_WHOLE_BOT = {
    "telling": (
        notification_latency.measure,
        1,
    ),  # adds apps, which the bot knows for a while after it has asked for the list
    "ack": (ack_latency.measure, 1),
    "lists": (options_latency.measure, 2),
    "held": (event_loop_delay.measure, 3),
    "unsigned": (unsigned_requests.measure, 3),
    "start": (startup_time.measure, 1),
    "memory": (idle_memory.measure, 1),
}
OF_PARTS = {
    "look": (idle_poll.measure, 6),
    "log": (log_parser.measure, 4),
    "record": (poll_recorder.measure, 1),
    "backlog": (dispatcher_throughput.measure, 2),
    "growth": (storage_growth.measure, 2),
}
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="the benchmarks read /proc")


def check(figures: Sequence[BenchmarkResult], count: int) -> dict[str, str]:
    """Check that there are so many figures, each with a name of its own and real numbers; returns them by name."""
    assert len(figures) == len({figure.name for figure in figures}) == count
    for figure in figures:
        assert re.search(r"\d", figure.measured), figure
        assert not re.search(r"\b(?:nan|inf)\b", str(figure)), figure
        assert figure.baseline, figure
        assert figure.goal, figure
    return {figure.name: figure.measured for figure in figures}


def test_each_benchmark_is_run_here() -> None:
    assert ALL.keys() == OF_THE_WHOLE_BOT.keys() | OF_PARTS.keys()


def test_the_smallest_size_is_never_nothing() -> None:
    assert scale_count(400, SMALLEST, minimum=2) == 2
    assert scale_count(400, 1, minimum=2) == 400
    assert scale_count(400, 0.5, minimum=2) == 200


@needs_proc
async def test_benchmarks_of_the_whole_bot_run_at_their_smallest_size() -> None:
    settings = options_latency.SETTINGS | event_loop_delay.SETTINGS | notification_latency.SETTINGS
    async with running_environment(None, settings, program=event_loop_delay.PROGRAM) as stage:
        for name, (measure, count) in OF_THE_WHOLE_BOT.items():
            try:
                check(await measure(SMALLEST, stage), count)
            except Exception as problem:
                problem.add_note(f"in python -m bench {name} --smallest")
                raise
        assert stage.slack.violations == []


@needs_proc
@pytest.mark.parametrize("name", OF_PARTS)
async def test_benchmarks_of_parts_run_at_their_smallest_size(name: str) -> None:
    measure, count = OF_PARTS[name]
    cores = os.sched_getaffinity(0)
    figures = check(await measure(SMALLEST), count)
    assert os.sched_getaffinity(0) == cores, "what comes next is measured on fewer cores"
    if name == "look":
        assert {ours for words, ours in figures.items() if words.startswith("requests")} == {"1.00"}
    if name == "backlog":
        assert figures["… messages lost or told twice"] == "0"
