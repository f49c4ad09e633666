"""A Build.io simulator with a controllable clock, and requests by any member."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from sandbox.buildio.members import ANNA_TOKEN
from sandbox.buildio.server import BuildioSimulator
from sandbox.buildio.state import App
from sandbox.clock import Clock
from sandbox.middleware import as_json

BEGINNING = datetime(2026, 3, 1, 12, tzinfo=UTC)
PEM = "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIU\n-----END CERTIFICATE-----\n"


@dataclass(frozen=True)
class ApiResponse:
    status: int
    body: Any
    headers: Mapping[str, str]

    @property
    def code(self) -> Any:
        return self.body["code"]


class MemberClient:
    def __init__(self, buildio: BuildioSimulator, clock: Clock, session: aiohttp.ClientSession) -> None:
        self.buildio, self.clock, self.session = buildio, clock, session

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = ANNA_TOKEN,
        scheme: str = "Bearer",
        raw: str | None = None,
        kind: str = "application/json",
    ) -> ApiResponse:
        headers = {"Authorization": f"{scheme} {token}"} if token is not None else {}
        more: dict[str, Any] = {"json": body} if body is not None else {}
        if raw is not None:
            more = {"data": raw}
            headers["Content-Type"] = kind
        url = self.buildio.api_url + path
        async with self.session.request(method, url, headers=headers, **more) as response:
            return ApiResponse(response.status, as_json(await response.text()), response.headers)

    async def get(self, path: str, **more: Any) -> Any:
        answer = await self.ask("GET", path, **more)
        assert answer.status == 200, answer.body
        return answer.body

    def wait(self, **span: float) -> None:
        self.clock.skip(timedelta(**span))
        self.buildio.advance()

    async def deployment(self, app: App) -> Any:
        return (await self.get(f"/apps/{app.name}"))["deployment"]


@pytest.fixture
async def member_client() -> AsyncIterator[MemberClient]:
    clock = Clock(lambda: BEGINNING)
    buildio = await BuildioSimulator(now=clock).start()
    async with aiohttp.ClientSession() as session:
        yield MemberClient(buildio, clock, session)
    await buildio.close()
