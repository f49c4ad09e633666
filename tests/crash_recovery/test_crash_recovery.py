"""A short version of `make torture`; the seeds are fixed, so that every machine kills at the same points."""

from __future__ import annotations

import pytest

from tests.crash_recovery.crash_harness import run_rounds


@pytest.mark.parametrize("seed", [20261121])
async def test_a_bot_killed_at_any_point_notifies_every_build_once_and_in_order(seed: int) -> None:
    report = await run_rounds(seed, rounds=8)
    print(report)
    assert report.result.problems == [], str(report)
    assert report.result.notified >= 20, str(report)
    assert sum(report.kills.values()) >= 8, str(report)
