"""A process that polls Build.io without pause until it is killed."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from domain.credentials import FixedToken
from providers.buildio.api.client import BuildioClient
from providers.buildio.polling.source import BuildioBuildSource
from providers.http.transport import HttpTransport
from services.polling.poll import Poll
from storage.database import Database
from tests.support.repositories import make_poll_recorder, make_repositories


async def poll_once(path: Path, api_url: str, token: str, *, for_ever: bool = False) -> None:
    """Poll once, or `for_ever`; the end of the first poll is announced."""
    clock = partial(datetime.now, UTC)
    database = await Database.open(path)
    async with HttpTransport() as http:
        credentials = FixedToken(SecretStr(token))
        reader = BuildioBuildSource(
            BuildioClient(http, credentials=credentials, base_url=api_url, clock=clock), clock=clock
        )
        recorder = make_poll_recorder(database)
        look = Poll(reader, make_repositories(database), recorder, token="t", clock=clock)
        await look()
        while for_ever:
            sys.stdout.write(".")
            sys.stdout.flush()
            await look()
    await database.close()


if __name__ == "__main__":
    asyncio.run(poll_once(Path(sys.argv[1]), sys.argv[2], sys.argv[3], for_ever=True))
