"""A short form of `make torture`; the seeds are fixed, so that every machine kills alike."""

from __future__ import annotations

import pytest

from tests.crash_recovery.crash_harness import run_rounds


@pytest.mark.parametrize("seed", [20261121])
async def test_killed_at_every_point_the_bot_tells_every_build_once_and_in_order(seed: int) -> None:
    report = await run_rounds(seed, rounds=8)
    print(report)
    assert report.reckoning.problems == [], str(report)
    assert report.reckoning.told >= 20, str(report)
    assert sum(report.kills.values()) >= 8, str(report)
