"""The sandbox on a database of the user's: DATABASE_URL in the environment."""

from __future__ import annotations

from tests.support.forked_process import run_forked
from tests.support.postgres import PostgresServer
from tests.support.schema import connect_directly


async def test_the_story_plays_on_postgresql(postgres: PostgresServer) -> None:
    url = postgres.new_database(migrated=False)
    code, output = await run_forked("sandbox", "--story", DATABASE_URL=url)
    assert code == 0, output
    assert "The story passed" in output
    with connect_directly(url) as connection:
        assert connection.execute("SELECT COUNT(*) FROM notifications").fetchone()[0] > 0
    postgres.drop_database(url)
