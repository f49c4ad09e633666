"""`make bench`: runs all benchmarks, or the named ones: `python -m bench look record`.

`--smallest` for a quick test run.
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from bench import (
    ack_latency,
    command_cpu,
    database_comparison,
    dispatcher_throughput,
    drain_many_bots,
    event_loop_delay,
    every_app,
    idle_memory,
    idle_poll,
    latency_with_kills,
    log_parser,
    notification_latency,
    options_latency,
    poll_recorder,
    polls_of_many_tokens,
    single_bot,
    startup_time,
    storage_growth,
    unsigned_requests,
)
from bench.result import BenchmarkResult

ALL: dict[str, Callable[..., Coroutine[Any, Any, list[BenchmarkResult]]]] = {
    "ack": ack_latency.measure,
    "cpu": command_cpu.measure,
    "look": idle_poll.measure,
    "lists": options_latency.measure,
    "log": log_parser.measure,
    "held": event_loop_delay.measure,
    "record": poll_recorder.measure,
    "every-app": every_app.measure,
    "databases": database_comparison.measure,
    "start": startup_time.measure,
    "memory": idle_memory.measure,
    "unsigned": unsigned_requests.measure,
    "telling": notification_latency.measure,
    "backlog": dispatcher_throughput.measure,
    "growth": storage_growth.measure,
    "single": single_bot.measure,
    "many-drain": drain_many_bots.measure,
    "many-polls": polls_of_many_tokens.measure,
    "many-latency": latency_with_kills.measure,
}
SMALLEST = 0.0


def main() -> int:
    """Run the benchmarks; returns 1 if one fails or misses its goal."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(ALL))
    parser.add_argument(
        "--smallest", action="store_true", help="run each at its smallest size; goals are not checked"
    )
    arguments = parser.parse_args()
    names = arguments.names or list(ALL)
    if unknown := set(names) - set(ALL):
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; choose from {', '.join(ALL)}")
    if len(names) > 1:
        # Each benchmark has its own process, so that none measures memory of another one.
        size = ["--smallest"] if arguments.smallest else []
        failed = [name for name in names if subprocess.call([sys.executable, "-m", "bench", name, *size])]
        done = "All benchmarks ran." if arguments.smallest else "All goals are met."
        print(f"Failed: {', '.join(failed)}" if failed else done)
        return bool(failed)
    figures = asyncio.run(ALL[names[0]](SMALLEST if arguments.smallest else 1))
    for figure in figures:
        print(figure)
    return not arguments.smallest and not all(figure.is_met for figure in figures)


if __name__ == "__main__":
    sys.exit(main())
