"""`make torture`: many rounds from a printed seed; `python -m tests.crash_recovery --rounds 300 --seed 7`."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys

from tests.crash_recovery.crash_harness import run_rounds
from tests.support.postgres import PostgresServer


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash_recovery", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--engine", choices=["sqlite", "postgres"], default="sqlite")
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.rounds} rounds on {options.engine}", flush=True)
    database = PostgresServer(durable=True) if options.engine == "postgres" else None
    try:
        report = asyncio.run(run_rounds(options.seed, options.rounds, database))
    finally:
        if database is not None:
            database.stop()
    print(report)
    return 1 if report.result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
