"""`make torture`: many rounds from a printed seed; `python -m tests.crash_recovery --rounds 300 --seed 7`."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys

from tests.crash_recovery.crash_harness import run_rounds


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash_recovery", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = parser.parse_args()
    print(f"seed {options.seed}, {options.rounds} rounds", flush=True)
    report = asyncio.run(run_rounds(options.seed, options.rounds))
    print(report)
    return 1 if report.result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
