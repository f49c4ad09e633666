"""A process that polls Build.io without pause until it is killed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

from pydantic import SecretStr

from domain.credentials import FixedToken
from providers.buildio.api.client import BuildioClient
from providers.buildio.polling.source import BuildioBuildSource
from providers.http.transport import HttpTransport
from services.polling.poll import Poll
from storage.sqlite_database import SqliteDatabase
from tests.support.repositories import make_poll_recorder, make_repositories


async def poll_once(path: Path, api_url: str, token: str, *, polled: Connection | None = None) -> None:
    """Poll once; with `polled`, poll for ever and announce the end of each poll."""
    clock = partial(datetime.now, UTC)
    database = await SqliteDatabase.open(path)
    async with HttpTransport() as http:
        credentials = FixedToken(SecretStr(token))
        reader = BuildioBuildSource(
            BuildioClient(http, credentials=credentials, base_url=api_url, clock=clock), clock=clock
        )
        recorder = make_poll_recorder(database)
        poll = Poll(reader, make_repositories(database), recorder, token="t", clock=clock)
        await poll()
        while polled is not None:
            polled.send_bytes(b".")
            await poll()
    await database.close()


def poll_endlessly(path: Path, api_url: str, token: str, polled: Connection) -> None:
    """Poll for ever; the target of the process."""
    asyncio.run(poll_once(path, api_url, token, polled=polled))
