"""A process that looks at Build.io again and again without a pause, until somebody kills it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from pydantic import SecretStr

from bot.buildio import Buildio
from bot.buildio.watching import BuildioReader
from bot.http import FixedToken, Http
from bot.watch import Look, compare, match
from storage import Database, Recorder, Storage


async def one_look(path: Path, api_url: str, token: str, *, looked: Connection | None = None) -> None:
    """Look once; or for ever, and announce each look that has come to its end."""
    clock = partial(datetime.now, UTC)
    database = await Database.open(path)
    async with Http() as http:
        credentials = FixedToken(SecretStr(token))
        reader = BuildioReader(
            Buildio(http, credentials=credentials, base_url=api_url, clock=clock), clock=clock
        )
        recorder = Recorder(database, compare=compare, match=match)
        look = Look(reader, Storage(database), recorder, token="t", clock=clock)
        await look()
        while looked is not None:
            looked.send_bytes(b".")
            await look()
    await database.close()


def look_endlessly(path: Path, api_url: str, token: str, looked: Connection) -> None:
    """What the process does."""
    asyncio.run(one_look(path, api_url, token, looked=looked))
