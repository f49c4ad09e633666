"""The program as a separate process without its second of imports: forked from one that has imported everything."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["bot.cli"])


async def run_forked(*arguments: str, **settings: str) -> tuple[int, str]:
    """Run the program with only these settings; returns its exit code and output."""
    with tempfile.TemporaryDirectory() as folder:
        output_file = Path(folder) / "output"
        process = _FORKS.Process(target=_run, args=(arguments, settings, output_file), daemon=True)
        await asyncio.to_thread(_run_to_end, process)
        return process.exitcode or 0, output_file.read_text()


def _run_to_end(process: multiprocessing.context.ForkServerProcess) -> None:
    process.start()
    process.join(60)
    if process.exitcode is None:
        process.kill()
        raise TimeoutError("the program did not end")


def _run(arguments: tuple[str, ...], settings: dict[str, str], output_file: Path) -> None:
    """Run the program in the new process."""
    with output_file.open("wb") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    os.chdir("/")
    for name in set(os.environ) - {"PATH", "HOME"}:
        del os.environ[name]
    os.environ.update(settings, COLUMNS="200")
    sys.argv = ["buildbell", *arguments]
    # The fork server's stdout may be a terminal.
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    from bot.cli import cli

    cli()
