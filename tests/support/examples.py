"""How many examples a property test tries: a few in each run of all tests, and many where `make fuzz` asks for them."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("EXAMPLES_TIMES", "1"))
SLOW = (HealthCheck.data_too_large, HealthCheck.too_slow, HealthCheck.filter_too_much)


def examples(count: int) -> settings:
    """Settings for a test that tries so many examples, each of which may be large."""
    return settings(max_examples=count * TIMES, suppress_health_check=SLOW, derandomize=TIMES == 1)
