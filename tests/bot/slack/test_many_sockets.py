"""Several bots over Socket Mode: Slack sends each request over one of all their connections."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sandbox.faults import Fault
from tests.support.many_bots import many_bots
from tests.support.postgres import PostgresServer

BOTS = 3


async def test_each_request_is_answered_once_also_while_a_bot_stops(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with many_bots(tmp_path, postgres, BOTS, http=False) as harness:
        sockets = harness.slack.sockets
        await sockets.wait_for(2 * BOTS, 60)
        sent: list[tuple[str, Any]] = []
        send = sockets.send

        async def record(kind: str, payload: Any, **retry: Any) -> Any:
            sent.append((kind, payload))
            return await send(kind, payload, **retry)

        monkeypatch.setattr(sockets, "send", record)
        await harness.ask("/bitrise apps", "3 apps")
        for _ in range(2 * BOTS):  # the same again, over each connection
            await send(*sent[0])

        # One has to finish commands that take their time, and gives its connections up before that.
        fault = Fault("GET /v0.1/me", "held", times=2 * BOTS)
        harness.bitrise.faults.add(fault)
        for _ in range(2 * BOTS):  # one over each connection
            await harness.users.command("anna", "builds", "/bitrise whoami")
        await harness.wait_until(lambda: fault.times == 0)
        stopping = asyncio.create_task(harness.stop(harness.bots[0]))
        await harness.wait_until(lambda: len(sockets.connections) == 2 * (BOTS - 1))
        for _ in range(2 * BOTS):
            await harness.ask("/bitrise help", "Commands")
        assert not stopping.done()
        fault.released.set()
        await stopping
        await harness.stop_bot()  # they finish what has come
        shown = [harness.message_text(post) for post in harness.slack.posts("builds", "anna")]
        for text, times in (("3 apps", 1), ("Commands", 2 * BOTS), ("api-demo", 2 * BOTS)):
            assert sum(text in post for post in shown) == times
        assert harness.slack.violations == []
