"""The sandbox on a database of the user's: DATABASE_URL in the environment."""

from __future__ import annotations

import asyncio

from storage.database_url import open_database
from tests.support.forked_process import run_forked
from tests.support.postgres import PostgresServer
from tests.support.schema import connect_directly
from tests.support.stub_server import reserve_port


async def test_the_story_plays_on_postgresql(postgres: PostgresServer) -> None:
    url = postgres.new_database(migrated=False)
    code, output = await run_forked("sandbox", "--story", DATABASE_URL=url)
    assert code == 0, output
    assert "The story passed" in output
    with connect_directly(url) as connection:
        assert connection.execute("SELECT COUNT(*) FROM notifications").fetchone()[0] > 0
    postgres.drop_database(url)


async def test_a_database_that_the_sandbox_cannot_use_is_named_in_one_line(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    bot = await open_database(url)
    with reserve_port() as closed:
        refused = {
            url: "DATABASE_URL: a bot or another copy uses this database. Stop it first.",
            url.replace("/buildbell_", "/no_buildbell_"): "does not exist. Create it: createdb no_buildbell_",
            f"postgresql://u@127.0.0.1:{closed.getsockname()[1]}/db": "refused. Start it, or change DATABASE_URL.",
        }
        results = await asyncio.gather(*(run_forked("sandbox", DATABASE_URL=name) for name in refused))
    await bot.close()
    postgres.recycle_database(url)
    for (code, output), expected in zip(results, refused.values(), strict=True):
        assert (code, output.count("\n")) == (2, 1), output
        assert output.startswith("buildbell: ")
        assert expected in output
