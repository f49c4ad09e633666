"""Harnesses in which people have accounts at Build.io, with access rules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from providers.buildio.provider import BUILDIO
from tests.support.bot_harness import BotHarness, bot_harness

HarnessWithRules = Callable[[str], AbstractAsyncContextManager[BotHarness]]


@asynccontextmanager
async def open_governed(folder: Path, rules: str) -> AsyncIterator[BotHarness]:
    (folder / "policy.toml").write_text(rules)
    async with bot_harness(folder, policy_file=str(folder / "policy.toml")) as opened:
        await opened.connect("anna", "ben", "carla", provider=BUILDIO)
        yield opened
        assert opened.slack.violations == []
        assert opened.buildio.violations == []


@pytest.fixture
def harness_with_rules(tmp_path: Path) -> HarnessWithRules:
    """Open a harness with these rules; Anna and Ben may change apps at Build.io, Carla is a viewer."""
    return lambda rules: open_governed(tmp_path, rules)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    """A harness without rules."""
    async with open_governed(tmp_path, "") as opened:
        yield opened
