"""The password in DATABASE_URL (SECURITY.md, F): what the program prints and logs, whatever is wrong with the database."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import pytest

from bot.settings import Settings
from tests.support.forked_process import run_forked
from tests.support.postgres import PostgresServer, start_or_skip

PASSWORD = "correct-horse-battery"
SETTINGS = {
    "SLACK_BOT_TOKEN": "xoxb-none",
    "SLACK_APP_TOKEN": "xapp-none",
    "SLACK_API_URL": "http://127.0.0.1:9/api/",
    "BITRISE_TOKEN": "none",
    "BITRISE_API_URL": "http://127.0.0.1:9/v0.1",
    "PORT": "0",
}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    server = start_or_skip()
    if not server.can_restart:
        pytest.skip("needs a PostgreSQL server of its own")
    server.require_password("locked", PASSWORD)
    yield server
    server.stop()


async def test_f12_the_password_of_the_database_is_printed_and_logged_nowhere(server: PostgresServer) -> None:
    url = urlsplit(server.new_database(migrated=False))
    right, wrong = (
        urlunsplit(url._replace(netloc=f"locked:{word}@")) for word in (PASSWORD, f"un{PASSWORD}")
    )
    cases = {
        right: "can't create tables",
        wrong: "password authentication failed",
        urlunsplit(urlsplit(right)._replace(path="/nowhere")): "createdb",
        f"postgresql://locked:{PASSWORD}@127.0.0.1:9": "must name the database",
        f"postgresql://locked:un@{PASSWORD}@127.0.0.1/db": "must be encoded",
        f"postgresql://locked:un/{PASSWORD}@127.0.0.1/db": "must be encoded",
        f"mysql://locked:{PASSWORD}@127.0.0.1/db": "must be an SQLite file",
    }
    for address, expected in cases.items():
        code, output = await run_forked("run", **SETTINGS, DATABASE_URL=address)
        assert (code, expected in output) == (2, True), output
        assert "can't start" in output
        assert PASSWORD not in output
        assert "Traceback" not in output
    away = f"postgresql://locked:{PASSWORD}@127.0.0.1:9/db"
    for address, *command in ((wrong, "doctor"), (away, "doctor"), (wrong, "audit", "--verify")):
        code, output = await run_forked(*command, **SETTINGS, DATABASE_URL=address)
        assert (code > 0, PASSWORD in output, "Traceback" in output) == (True, False, False), output
    settings = Settings(
        _env_file=None,
        database_url=right,
        slack_bot_token="xoxb-1",
        slack_app_token="xapp-1",
        bitrise_token="1",
    )  # type: ignore[call-arg, arg-type, unused-ignore]
    assert PASSWORD not in f"{settings!r} {settings}"
