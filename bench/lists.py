"""What a searched list offers for each key, with 5,000 branches: from Slack's request to the options."""

from __future__ import annotations

import json
from functools import partial
from urllib.parse import urlencode

import aiohttp

from bench.figure import Figure, seconds
from bot.manifest import manifest
from sandbox.slack import payloads
from sandbox.stage import Stage

BRANCHES = 5_000
TIMES = 400
GOAL_SECONDS = 0.150


async def measure() -> list[Figure]:
    async with Stage(manifest()) as stage, aiohttp.ClientSession() as session:
        app = stage.bitrise.android
        for number in range(BRANCHES):
            params = {"branch": f"feature/{number % 97}-login-{number}"}
            stage.bitrise.finish(stage.bitrise.start_build(app, params=params))
        await stage.start(http=True, settings={"POLL_INTERVAL": "3600"})
        url = f"{await stage.bot_url()}/slack/events"
        view = {"id": "V1", "type": "modal", "private_metadata": json.dumps({"app": app.slug}), "blocks": []}
        element = {"type": "external_select", "action_id": "pick_branch"}

        async def ask(typed: str, action_id: str) -> int:
            payload = payloads.block_suggestion(
                stage.slack.workspace.person("anna"),
                "branch",
                element | {"action_id": action_id},
                typed,
                payloads.on_view(view),
            )
            body = urlencode({"payload": json.dumps(payload)})
            headers = stage.slack.delivery.signed(body) | {
                "Content-Type": "application/x-www-form-urlencoded"
            }
            async with session.post(url, data=body, headers=headers) as response:
                answer = await response.json()
                return len(answer.get("options") or [])

        first = await seconds(lambda: ask("", "pick_branch"))
        assert await ask("login", "pick_branch") == 100
        assert await ask("4999", "pick_branch") >= 1
        # A list of apps that holds three of them does the same work but for the searching.
        bare = sorted([await seconds(lambda: ask("a", "pick_app")) for _ in range(TIMES)])
        keys = [partial(ask, f"login-{number}", "pick_branch") for number in range(TIMES)]
        ours = sorted([await seconds(key) for key in keys])
    p99, bare_p99 = ours[int(TIMES * 0.99)], bare[int(TIMES * 0.99)]
    return [
        Figure(
            "a list of 5,000 branches, each key (p99)",
            f"{p99 * 1000:.1f} ms, {p99 / bare_p99:.2f} times",
            f"a list of three {bare_p99 * 1000:.1f} ms",
            "under 150 ms",
            p99 < GOAL_SECONDS,
        ),
        Figure(
            "the same when it is opened, read from Bitrise",
            f"{first * 1000:.0f} ms",
            "Slack's limit 3,000 ms",
            "under 2,000 ms",
            first < 2,
        ),
    ]
