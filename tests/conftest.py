"""Shared fixtures and settings of all tests."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest
import structlog
from hypothesis import given, settings
from hypothesis.strategies import text

from storage.database import Database
from storage.database_url import open_database
from storage.repositories import Repositories
from storage.sqlite_database import SqliteDatabase
from tests.support.bot_harness import BotHarness, bot_harness
from tests.support.examples import TIMES
from tests.support.postgres import PostgresServer, shared_template, start_or_skip
from tests.support.repositories import make_repositories
from tests.support.transactions import check_locks
from tests.support.wakes import check_wakes

# Nearly all objects from imports and collection are needed until the end, so garbage collection starts afterwards.
gc.disable()

# Tests must not see the machine's proxy, or the settings of a bot that runs on it.
for setting in list(os.environ):
    if setting.upper().endswith("_PROXY") or setting.startswith(
        ("SLACK_", "BITRISE_", "BUILDIO_", "BUILDBELL_", "AUDIT_")
    ):
        del os.environ[setting]


TESTS = Path(__file__).parent
ON_BOTH_DATABASES = (
    TESTS / "bot" / "admin",
    TESTS / "bot" / "doctor",
    TESTS / "storage",
    TESTS / "services",
    TESTS / "providers" / "bitrise" / "polling",
    TESTS / "providers" / "buildio" / "polling",
)

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


def pytest_configure(config: pytest.Config) -> None:
    """Create the files of a PostgreSQL server once for all workers."""
    if config.getoption("numprocesses", None) and "PYTEST_XDIST_WORKER" not in os.environ:
        stack = ExitStack()
        stack.enter_context(shared_template())
        config.add_cleanup(stack.close)


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

# Property tests have no deadline, and use the same examples on every machine; `make fuzz` takes other and more ones.
settings.register_profile("buildbell", max_examples=50 * TIMES, deadline=None, derandomize=TIMES == 1)
settings.load_profile("buildbell")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """Return a PostgreSQL server for all tests of this process."""
    server = start_or_skip()
    yield server
    server.stop()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of these folders on both databases."""
    if "database_url" in metafunc.fixturenames and any(
        folder in metafunc.definition.path.parents for folder in ON_BOTH_DATABASES
    ):
        metafunc.parametrize("database_url", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of a new database."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path / 'buildbell.db'}"
        return
    server = request.getfixturevalue("postgres")
    url = server.new_database()
    with check_locks():
        yield url
    server.recycle_database(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Open a real database."""
    opened = await open_database(database_url)
    if isinstance(opened, SqliteDatabase):  # PostgreSQL shows a transaction what others commit meanwhile
        check_wakes(opened)
    yield opened
    await opened.close()


@pytest.fixture
def repositories(database: Database) -> Repositories:
    """Return repositories over a real database."""
    return make_repositories(database)


@pytest.fixture
async def harness(tmp_path: Path, database_url: str) -> AsyncIterator[BotHarness]:
    """Run the bot in Socket Mode; a test fails at its end if a rule of Slack or Build.io was broken."""
    async with bot_harness(tmp_path, database_url=database_url) as running_harness:
        yield running_harness
        assert running_harness.slack.violations == []
        assert running_harness.buildio.violations == []
