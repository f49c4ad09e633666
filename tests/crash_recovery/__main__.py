"""`make torture`: many rounds from a printed seed; `python -m tests.crash_recovery --rounds 300 --seed 7`."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.crash_recovery.crash_harness import Report, run_rounds
from tests.crash_recovery.many_bots_harness import ManyReport, run_rounds_of_many
from tests.support.earlier_release import EARLIER_COMMIT, check_out, has_commit
from tests.support.postgres import PostgresServer


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash_recovery", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--engine", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--bots", type=int, default=1, help="several share one PostgreSQL database")
    parser.add_argument(
        "--earlier",
        default=EARLIER_COMMIT if has_commit(EARLIER_COMMIT) else "",
        help="one of several bots runs the code of this commit; empty: none",
    )
    parser.add_argument("--logs", type=Path, help="a folder for the log lines of several bots")
    options = parser.parse_args()
    if options.bots > 1 and options.engine != "postgres":
        parser.error("several bots need --engine postgres")
    print(f"seed {options.seed}, {options.rounds} rounds on {options.engine}", flush=True)
    database = PostgresServer(durable=True) if options.engine == "postgres" else None
    with tempfile.TemporaryDirectory(prefix="buildbell-") as folder:
        try:
            report = asyncio.run(_run(options, database, Path(folder)))
        finally:
            if database is not None:
                database.stop()
    if isinstance(report, ManyReport) and report.details:
        print(report.details)
    print(report)
    return 1 if report.result.problems else 0


async def _run(options: argparse.Namespace, database: PostgresServer | None, folder: Path) -> Report:
    if options.bots == 1 or database is None:
        return await run_rounds(options.seed, options.rounds, database)
    earlier = check_out(options.earlier, folder) if options.earlier else None
    print(f"{options.bots} bots, one of them from {options.earlier or 'no earlier commit'}", flush=True)
    if options.logs is not None:
        options.logs.mkdir(parents=True, exist_ok=True)
    return await run_rounds_of_many(
        options.seed, options.rounds, database, options.bots, earlier=earlier, logs=options.logs
    )


if __name__ == "__main__":
    sys.exit(main())
