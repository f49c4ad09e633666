"""The clients of Bitrise that are made for requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from pydantic import SecretStr

from domain.credentials import FixedToken
from domain.fair_limiter import Requester
from providers.bitrise.api.client import BitriseClient
from providers.bitrise.connection import connect
from providers.http.environment import ProviderEnvironment
from providers.http.transport import HttpTransport
from sandbox.bitrise.members import TOKEN
from sandbox.bitrise.server import BitriseSimulator
from sandbox.clock import Clock
from tests.support.factories import NOON


class GatedRunner:
    """Runs nothing before the gate is open."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.begun = 0

    async def run(self, work: Callable[..., Any], *arguments: Any) -> Any:
        self.begun += 1
        await self.gate.wait()
        return work(*arguments)


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.005)


async def test_one_bitrise_yml_of_a_person_is_parsed_at_a_time() -> None:
    clock, runner = Clock(lambda: NOON), GatedRunner()
    sandbox = await BitriseSimulator(now=clock).start()
    settings = SimpleNamespace(
        bitrise_token=None,
        bitrise_api_url=sandbox.api_url,
        service_token_acts=False,
        download_hosts=(),
        abort_kinds=(),
        poll_interval=30.0,
        requests_per_minute=60,
    )
    async with HttpTransport() as http:
        connection = connect(ProviderEnvironment(settings, http, clock, runner=runner))

        def make_client(person: str) -> BitriseClient:
            return connection.make_client(FixedToken(SecretStr(TOKEN), Requester("T1", person)))

        app = sandbox.android.slug
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(make_client("U0ANNA").buildables(app))
            await wait_until(lambda: runner.begun == 1)
            tasks.create_task(make_client("U0ANNA").buildables(app))
            await wait_until(lambda: len(sandbox.requests) == 2)
            tasks.create_task(make_client("U0BEN").buildables(app))
            await wait_until(lambda: len(sandbox.requests) == 3 and runner.begun >= 2)
            assert runner.begun == 2
            runner.gate.set()
    assert runner.begun == 3
    await sandbox.close()
