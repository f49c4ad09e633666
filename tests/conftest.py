"""What many tests start from."""

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

from storage import Database, Storage
from tests.town import Town, open_town

# Nearly all that imports and collecting make stays: what looks for garbage among it begins afterwards.
gc.disable()

# A proxy of the machine's, or the settings of a bot that runs on it, must not reach a test.
for name in list(os.environ):
    if name.upper().endswith("_PROXY") or name.startswith(
        ("SLACK_", "BITRISE_", "BUILDIO_", "BUILDBELL_", "AUDIT_")
    ):
        del os.environ[name]


# Databases lie in memory where the machine has room there: a kill loses nothing there either, and what the disk takes
# for each commit is more than the tests themselves take.
MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder there that is this user's alone
if MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > 2 * 1024**3:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--pictures FOLDER`: keep the pictures that README and docs show."""
    parser.addoption("--pictures", type=Path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the fuzzing, whose minutes would else come last and alone.

    Workers begin with equal parts of the tests, in their order, and steal what is left from each other (`--dist
    worksteal`); so each part begins with what takes long.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    fuzzing = [item for item in items if item.get_closest_marker("fuzz")]
    others = [item for item in items if not item.get_closest_marker("fuzz")]
    begins = [len(others) * number // workers for number in range(workers + 1)]
    parts = [others[begin:end] for begin, end in pairwise(begins)]
    items[:] = [item for number, part in enumerate(parts) for item in (*fuzzing[number::workers], *part)]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Leave what was imported and collected out of what is looked through for garbage, and look seldom."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 20, 20)
    if session.config.option.collectonly:
        # hypothesis makes its tables of all characters, and of the constants in all modules, once, and keeps them.
        settings(max_examples=1, database=None)(given(text())(lambda _: None))()


# Tracebacks as Python writes them: with colours and all values, each would take as long as several tests.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

# Time is no part of what a property test asserts, and the same examples come on every machine.
settings.register_profile("buildbell", deadline=None, derandomize=True)
settings.load_profile("buildbell")


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    """Storage over a real SQLite file."""
    database = await Database.open(tmp_path / "buildbell.db")
    yield Storage(database)
    await database.close()


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    """The bot in Socket Mode; at the end of each test no rule of Slack's or Build.io's may have been broken."""
    async with open_town(tmp_path) as opened:
        yield opened
        assert opened.slack.violations == []
        assert opened.buildio.violations == []
