"""Acknowledgement latency, against a bare Bolt handler; both as processes, over signed HTTP."""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import urlencode

import aiohttp

from bench.environment import running_environment
from bench.result import BenchmarkResult, measure_interleaved, scale_count
from sandbox.environment import SandboxEnvironment
from sandbox.slack import payloads

TIMES = 400


async def measure(
    scale: float = 1, shared_environment: SandboxEnvironment | None = None
) -> list[BenchmarkResult]:
    baseline = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bench.bolt_baseline",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert baseline.stdout is not None
    assert baseline.stdin is not None
    try:
        bare_url = f"http://127.0.0.1:{int(await baseline.stdout.readline())}/slack/events"
        async with (
            running_environment(shared_environment, {"POLL_INTERVAL": "3600"}) as environment,
            aiohttp.ClientSession() as session,
        ):
            ours_url = f"{await environment.bot_url()}/slack/events"
            workspace = environment.slack.workspace

            async def send_command(url: str) -> None:
                response_id = environment.slack.handles.create_response_url("U0ANNA", "C0BUILDS")
                payload = payloads.slash_command(
                    "/bitrise",
                    "help",
                    workspace.find_user("anna"),
                    workspace.find_channel("builds"),
                    trigger_id=environment.slack.handles.create_trigger("U0ANNA"),
                    response_url=f"{environment.slack.url}/response/{response_id}",
                )
                body = urlencode(payload)
                headers = environment.slack.delivery.sign(body) | {
                    "Content-Type": "application/x-www-form-urlencoded"
                }
                async with session.post(url, data=body, headers=headers) as response:
                    assert response.status == 200
                    await response.read()

            measured, bare = await measure_interleaved(
                lambda: send_command(ours_url),
                lambda: send_command(bare_url),
                scale_count(TIMES, scale, minimum=1),
            )
    finally:
        baseline.stdin.close()
        await baseline.wait()
    ratio = measured / bare
    return [
        BenchmarkResult(
            "acknowledging a command",
            f"{measured * 1000:.2f} ms, {ratio:.2f} times",
            f"Bolt handler {bare * 1000:.2f} ms",
            "under 1.3 times",
            ratio < 1.3,
        )
    ]
