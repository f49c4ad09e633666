"""From Slack's request to our acknowledgement, against a bare Bolt handler; both as processes, over signed HTTP."""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import urlencode

import aiohttp

from bench.environment import staged
from bench.result import BenchmarkResult, measure_interleaved, scaled
from sandbox.environment import SandboxEnvironment
from sandbox.slack import payloads

TIMES = 400


async def measure(scale: float = 1, given: SandboxEnvironment | None = None) -> list[BenchmarkResult]:
    bare = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.bolt_baseline",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert bare.stdout is not None
    assert bare.stdin is not None
    try:
        bare_url = f"http://127.0.0.1:{int(await bare.stdout.readline())}/slack/events"
        async with staged(given, {"POLL_INTERVAL": "3600"}) as stage, aiohttp.ClientSession() as session:
            ours_url = f"{await stage.bot_url()}/slack/events"
            people = stage.slack.workspace

            async def ask(url: str) -> None:
                payload = payloads.slash_command(
                    "/bitrise",
                    "help",
                    people.person("anna"),
                    people.channel("builds"),
                    trigger_id=stage.slack.handles.new_trigger("U0ANNA"),
                    response_url=f"{stage.slack.url}/response/{stage.slack.handles.new_response('U0ANNA', 'C0BUILDS')}",
                )
                body = urlencode(payload)
                headers = stage.slack.delivery.signed(body) | {
                    "Content-Type": "application/x-www-form-urlencoded"
                }
                async with session.post(url, data=body, headers=headers) as response:
                    assert response.status == 200
                    await response.read()

            ours, plain = await measure_interleaved(
                lambda: ask(ours_url), lambda: ask(bare_url), scaled(TIMES, scale, least=1)
            )
    finally:
        bare.stdin.close()
        await bare.wait()
    ratio = ours / plain
    return [
        BenchmarkResult(
            "acknowledging a command",
            f"{ours * 1000:.2f} ms, {ratio:.2f} times",
            f"Bolt handler {plain * 1000:.2f} ms",
            "under 1.3 times",
            ratio < 1.3,
        )
    ]
