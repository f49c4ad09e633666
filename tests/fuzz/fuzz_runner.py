"""Trying examples for a time: batch after batch of hypothesis' runs, each with a seed of its own."""

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

# Of these, what Slack sends, what providers answer, and what calls the webhook have a third each.
FUZZ_SECONDS = float(os.environ.get("FUZZ_SECONDS", "20"))
SHARE_SECONDS = FUZZ_SECONDS / 3
# The same for everybody, so that what passed for one passes for the next; `make fuzz` begins where nobody was yet.
FUZZ_SEED = os.environ.get("FUZZ_SEED", "2026")
# A failed example is made smaller before it is shown.
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
    """An example that is shown by its `words` where it fails, since all of it would be too much."""

    @property
    def words(self) -> str:
        """What matters of it."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self.words

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(self.words)


def first_seed() -> int:
    """The seed of the first batch: FUZZ_SEED, or where that is `random`, one that was never there."""
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
    """Try examples in the runner's loop until the time is over; returns how many were tried.

    What an example raises is raised, for the smallest example that raises it; the seed of its batch is printed.
    """
    end, tried, failed = clock() + seconds, 0, False
    number = first_seed() if start is None else start

    def batch(tried_now: T) -> None:
        nonlocal tried, failed
        if clock() >= end and not failed:
            return
        tried += 1
        try:
            runner.run(example(tried_now))
        except BaseException:
            if not failed:
                sys.stdout.write(f"FUZZ_SEED={number} begins with the batch that fails.\n")
            failed = True
            raise

    with patch("hypothesis.internal.conjecture.engine.MAX_SHRINKING_SECONDS", SHRINKING_SECONDS):
        while clock() < end:
            seed(number)(_OPTIONS(given(examples)(batch)))()
            number += 1
    return tried


def report(words: str) -> None:
    """Say what was tried, for whoever looks at the output (`pytest -s`, or a failure's)."""
    sys.stdout.write(f"{words}\n")
