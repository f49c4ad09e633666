"""Run examples for a limited time: batch after batch of hypothesis runs, each with its own seed."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")

# Slack payloads, provider responses and webhook calls get a third each.
FUZZ_SECONDS = float(os.environ.get("FUZZ_SECONDS", "6"))
SHARE_SECONDS = FUZZ_SECONDS / 3
# A fixed seed, so that results are reproducible; `make fuzz` uses new ones.
FUZZ_SEED = os.environ.get("FUZZ_SEED", "2026")
# A failing example is minimised for at most this time before it is shown.
SHRINKING_SECONDS = 60
TIMEOUT = SHARE_SECONDS + SHRINKING_SECONDS + 120
BATCH = 50
_OPTIONS = settings(
    max_examples=BATCH,
    derandomize=False,
    database=None,
    deadline=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
    print_blob=False,
    report_multiple_bugs=False,
)


class ReadableExample:
    """An example that is shown by its short `description` on failure."""

    @property
    def description(self) -> str:
        """Return a short description."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.description

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(self.description)


def first_seed() -> int:
    """Return the seed of the first batch: FUZZ_SEED, or a random one for `random`."""
    return secrets.randbelow(2**32) if FUZZ_SEED == "random" else int(FUZZ_SEED)


def fuzz(
    example: Callable[[T], Coroutine[Any, Any, None]],
    examples: SearchStrategy[T],
    *,
    runner: asyncio.Runner,
    clock: Callable[[], float],
    seconds: float = SHARE_SECONDS,
    start: int | None = None,
) -> int:
    """Run examples in the runner's loop until the time is over; returns their number.

    Raises the exception of the smallest failing example; the seed of its batch is printed.
    """
    end, tried, failed = clock() + seconds, 0, False
    number = first_seed() if start is None else start

    def run_example(value: T) -> None:
        nonlocal tried, failed
        if clock() >= end and not failed:
            return
        tried += 1
        try:
            runner.run(example(value))
        except BaseException:
            if not failed:
                sys.stdout.write(f"FUZZ_SEED={number} begins with the batch that fails.\n")
            failed = True
            raise

    with patch("hypothesis.internal.conjecture.engine.MAX_SHRINKING_SECONDS", SHRINKING_SECONDS):
        while clock() < end:
            seed(number)(_OPTIONS(given(examples)(run_example)))()
            number += 1
    return tried


def report(words: str) -> None:
    """Print what was tried (`pytest -s`, or the output of a failure)."""
    sys.stdout.write(f"{words}\n")
