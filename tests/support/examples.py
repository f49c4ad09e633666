"""The number of examples of property tests: few in a run of all tests, many with `make fuzz`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("EXAMPLES_TIMES", "1"))
SLOW = (HealthCheck.data_too_large, HealthCheck.too_slow, HealthCheck.filter_too_much)


def examples(count: int) -> settings:
    """Return settings for a test with this many examples, each of which may be large."""
    return settings(max_examples=count * TIMES, suppress_health_check=SLOW, derandomize=TIMES == 1)
