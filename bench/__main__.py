"""`make bench`: everything, or what is named: `python -m bench look record`; `--smallest` to see only that it runs."""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine
from typing import Any

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
from bench.result import BenchmarkResult

ALL: dict[str, Callable[[float], Coroutine[Any, Any, list[BenchmarkResult]]]] = {
    "ack": ack_latency.measure,
    "look": idle_poll.measure,
    "lists": options_latency.measure,
    "log": log_parser.measure,
    "held": event_loop_delay.measure,
    "record": poll_recorder.measure,
    "start": startup_time.measure,
    "memory": idle_memory.measure,
    "unsigned": unsigned_requests.measure,
    "telling": notification_latency.measure,
    "backlog": dispatcher_throughput.measure,
    "growth": storage_growth.measure,
}
SMALLEST = 0.0


def main() -> int:
    """Measure; returns 1 where a benchmark can't be run or misses its goal."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ALL))
    parser.add_argument(
        "--smallest", action="store_true", help="as little of each as can be run; no goal counts"
    )
    asked = parser.parse_args()
    names = asked.names or list(ALL)
    if unknown := set(names) - set(ALL):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    if len(names) > 1:
        # Each in a process of its own, so that none measures the memory that another one has left.
        size = ["--smallest"] if asked.smallest else []
        failed = [name for name in names if subprocess.call([sys.executable, "-m", "bench", name, *size])]
        done = "All of them run." if asked.smallest else "All goals are met."
        print(f"Failed: {', '.join(failed)}" if failed else done)
        return bool(failed)
    figures = asyncio.run(ALL[names[0]](SMALLEST if asked.smallest else 1))
    for figure in figures:
        print(figure)
    return not asked.smallest and not all(figure.met for figure in figures)


if __name__ == "__main__":
    sys.exit(main())
