"""Shared fixtures and settings of all tests."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
import structlog
from hypothesis import given, settings
from hypothesis.strategies import text

from storage.database import Database
from storage.repositories import Repositories
from tests.support.bot_harness import BotHarness, bot_harness
from tests.support.repositories import make_repositories

# Nearly all objects from imports and collection are needed until the end, so garbage collection starts afterwards.
gc.disable()

# Tests must not see the machine's proxy, or the settings of a bot that runs on it.
for setting in list(os.environ):
    if setting.upper().endswith("_PROXY") or setting.startswith(
        ("SLACK_", "BITRISE_", "BUILDIO_", "BUILDBELL_", "AUDIT_")
    ):
        del os.environ[setting]


# Databases are in memory if the machine has room. A killed process loses nothing there either, and commits to a disk
# would take longer than the tests themselves.
MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - pytest creates a folder there that only this user can read
if (
    MEMORY_FOLDER.is_dir()
    and os.access(MEMORY_FOLDER, os.W_OK)
    and shutil.disk_usage(MEMORY_FOLDER).free > 2 * 1024**3
):
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY_FOLDER))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--pictures FOLDER`, the folder for the pictures of README and docs."""
    parser.addoption("--pictures", type=Path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the fuzz tests, which take minutes and would otherwise run last, on one worker.

    Workers start with equal parts of the tests, in order, and then steal from each other (`--dist worksteal`); so each
    part begins with slow tests.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    fuzz_tests = [item for item in items if item.get_closest_marker("fuzz")]
    others = [item for item in items if not item.get_closest_marker("fuzz")]
    starts = [len(others) * number // workers for number in range(workers + 1)]
    parts = [others[start:end] for start, end in pairwise(starts)]
    items[:] = [item for number, part in enumerate(parts) for item in (*fuzz_tests[number::workers], *part)]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Exclude imported modules and collected tests from garbage collection, and collect rarely."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 20)
    if session.config.option.collectonly:
        # Hypothesis builds its tables of characters and of constants in modules once, and keeps them in files.
        settings(max_examples=1, database=None)(given(text())(lambda _: None))()


# Plain tracebacks: with colours and local variables, each would take as long as several tests.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

# Property tests have no deadline, and use the same examples on every machine.
settings.register_profile("buildbell", deadline=None, derandomize=True)
settings.load_profile("buildbell")


@pytest.fixture
async def repositories(tmp_path: Path) -> AsyncIterator[Repositories]:
    """Return repositories over a real SQLite file."""
    database = await Database.open(tmp_path / "buildbell.db")
    yield make_repositories(database)
    await database.close()


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[BotHarness]:
    """Run the bot in Socket Mode; a test fails at its end if a rule of Slack or Build.io was broken."""
    async with bot_harness(tmp_path) as running_harness:
        yield running_harness
        assert running_harness.slack.violations == []
        assert running_harness.buildio.violations == []
