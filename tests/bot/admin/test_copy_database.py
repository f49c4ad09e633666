"""`buildbell copy-database`: what it prints, and what it refuses."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from storage.database_url import open_database
from tests.bot.admin.test_commands import run_command
from tests.storage.full_database import create_full_database, dump_rows
from tests.support.forked_process import run_forked
from tests.support.postgres import PostgresServer
from tests.support.schema import all_rows, connect_directly

PASSWORD = "the-password-of-the-server"


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    await create_full_database(tmp_path / "b.db")
    return tmp_path / "b.db"


@pytest.fixture
def target(postgres: PostgresServer) -> Iterator[str]:
    """Return the URL of an empty database, with a password that no line of output may have."""
    url = postgres.new_database(migrated=False)
    yield url.replace("buildbell@", f"buildbell:{PASSWORD}@")
    postgres.drop_database(url)


async def copy(source: str | Path, target: str) -> tuple[int, str]:
    code, output = await run_forked("copy-database", str(source), target)
    assert PASSWORD not in output
    assert "Traceback" not in output
    return code, output


async def test_a_file_is_copied_and_the_commands_find_the_same_in_both(path: Path, target: str) -> None:
    with connect_directly(str(path)) as db:
        db.execute("UPDATE builds SET branch = 'ma' || char(0) || 'in' WHERE number = 1")
    before = dump_rows(path)
    code, output = await copy(f"sqlite:///{path}", target)
    assert code == 0, output
    copied, nul, after = output.splitlines()
    assert copied.startswith("Copied and compared: accounts 4, apps_of 6, audit 4, ")
    assert nul == "NUL characters, which PostgreSQL can't store, were removed from rows: builds 1."
    assert after.startswith("Now set DATABASE_URL to the PostgreSQL database, and start the bot.")
    assert dump_rows(path) == before
    assert await copy(path, target) == (0, "Nothing to do: every row is there already.\n")
    for command in (("audit", "--verify"), ("audit", "--export"), ("export-user", "T2", "U0BEN")):
        in_file, in_server = await asyncio.gather(run_command(path, *command), run_command(target, *command))
        assert in_file == in_server
        assert in_file[0] == 0


async def test_what_cannot_be_copied_is_said_in_one_line(path: Path, target: str, tmp_path: Path) -> None:
    # Each copy locks its file.
    another = shutil.copy(path, tmp_path / "another.db")
    refused: list[tuple[str | Path, str | Path, str]] = [
        (target, path, "FROM: must be an SQLite file. There is no way back from PostgreSQL to a file"),
        (path, tmp_path / "c.db", "TO: must be a PostgreSQL database"),
        (path, f"postgresql://u:{PASSWORD}@host", "TO: must name the database"),
        (path, f"postgresql://u:{PASSWORD}@[host/db", "TO: isn't a valid PostgreSQL URL"),
        (tmp_path / "none.db", target, "there is no database at"),
        (
            path,
            target.replace("/buildbell_", "/no_buildbell_"),
            "does not exist. Create it: createdb no_buildbell_",
        ),
        (another, f"postgresql://u:{PASSWORD}@127.0.0.1:1/db", "connection failed"),
    ]
    results = await asyncio.gather(*(copy(source, str(to)) for source, to, _ in refused))
    for (code, output), (*_, expected) in zip(results, refused, strict=True):
        assert (code, output.count("\n")) == (2, 1), output
        assert output.startswith("buildbell: ")
        assert expected in output
    assert not (tmp_path / "c.db").exists()
    bot = await open_database(str(path))
    code, output = await copy(path, target)
    assert (code, "b.db is in use by a bot or another copy. Stop it first" in output) == (2, True)
    await bot.close()


async def test_a_row_that_cannot_be_copied_stops_the_command_and_it_continues_once_it_is_corrected(
    path: Path, target: str
) -> None:
    before = dump_rows(path)
    with connect_directly(str(path)) as db:
        db.execute("UPDATE people SET email = x'00ff'")
    code, output = await copy(path, target)
    assert (code, output.count("\n")) == (1, 1)
    assert "people: the row with team_id 'T1', user_id 'U0ANNA' has bytes that aren't text" in output
    code, output = await run_command(target, "export-user", "T1", "U0ANNA")
    assert (code, "Run the same `buildbell copy-database` again" in output) == (2, True)
    code, output = await run_forked("doctor", DATABASE_URL=target)
    assert "the copy into this database is not finished" in output
    with connect_directly(str(path)) as db:
        for person in ("anna", "ben"):
            row = [f"{person}-at-bitrise@example.com", f"U0{person.upper()}"]
            db.execute("UPDATE people SET email = ? WHERE user_id = ?", row)
    assert dump_rows(path) == before
    code, output = await copy(path, target)
    assert code == 0
    assert "Copied before, and compared again: accounts, apps_of, audit," in output
    assert all_rows(target) == all_rows(str(path))


async def test_an_error_of_the_server_is_one_line_without_the_row(path: Path, target: str) -> None:
    await copy(path, target)
    with psycopg.connect(target) as connection:
        connection.execute("ALTER TABLE people RENAME TO persons")
    code, output = await run_command(target, "export-user", "T1", "U0ANNA")
    assert (code, output) == (
        1,
        'buildbell: the database server reports: relation "people" does not exist.\n',
    )
